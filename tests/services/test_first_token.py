"""The reads before the first token do not grow with earlier results of tools."""

import asyncio
import time
from typing import Any

import orjson
import pytest

from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.services.scripted import Talk, calls, results_of, says

READS = {"get_item", "query"}
ROUNDS, AT_ONCE = 30, 3


class Measuring(AwsClients):
    """AWS that notes when each call began and ended, and how many bytes it read."""

    calls: list[tuple[str, float, float, int]]

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        began = time.monotonic()
        answer = await super().call(service, operation, **parameters)
        read = answer.get("Items") or answer.get("Item") or [] if operation in READS else []
        self.calls.append((operation, began, time.monotonic(), len(orjson.dumps(read, default=repr))))
        return answer


def in_sequence(calls: list[tuple[str, float, float, int]]) -> int:
    """The longest chain of calls, each begun after the one before it had ended."""
    chain, last = 0, float("-inf")
    for _, began, ended, _ in sorted(calls, key=lambda call: call[2]):
        if began >= last:
            chain, last = chain + 1, ended
    return chain


@pytest.mark.timeout(180)
async def test_first_token_after_ninety_results_of_32_kb_reads_a_few_of_them_in_two_round_trips(
    aws_environment: Aws,
) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    aws = Measuring(settings.region)
    aws.calls = []
    talk = Talk(settings, Stores.connect(settings, aws))
    talk.models.turns = [calls(*["x" * 32_768] * AT_ONCE) for _ in range(ROUNDS)]
    assert (await talk.say("look"))[-1].type == "done"
    talk.models.turns = []
    aws.calls = []
    asked: list[tuple[str, float, float, int]] = []

    async def note() -> None:
        asked.extend(aws.calls)

    talk.models.turns = [[note, *says("ok")]]
    assert (await talk.say("and now?"))[-1].type == "done"
    assert in_sequence(asked) <= 2
    assert sum(read for *_, read in asked) < 800_000
    assert sum(operation == "get_item" for operation, *_ in asked) <= 12
    results = [text for one in await talk.messages() for text in results_of(one)]
    assert [len(text) for text in results] == [32_768] * ROUNDS * AT_ONCE
    await asyncio.to_thread(aws.close)
