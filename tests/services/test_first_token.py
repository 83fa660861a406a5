"""The reads before the first token do not grow with earlier tool results."""

import asyncio
import base64
import time
from typing import Any

import orjson
import pytest

from millrace.domain.clock import now_ms
from millrace.domain.content import ImagePart, Part, TextPart
from millrace.domain.conversations import StoredMessage
from millrace.domain.files import StoredFile
from millrace.domain.summaries import Summary
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from millrace.stores.dynamo import put
from millrace.stores.summaries import SUMMARY_KEY
from tests.api.test_files import png
from tests.aws import Aws
from tests.services.scripted import Talk, calls, results_of, says

READS = {"get_item", "query"}
ROUNDS, AT_ONCE = 30, 3


class Measuring(AwsClients):
    """AWS that notes when each call began and ended, and how many bytes it read."""

    calls: list[tuple[str, float, float, int]]

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        # A call that began before a new list belongs to the old one.
        began, calls = time.monotonic(), self.calls
        answer = await super().call(service, operation, **parameters)
        read = answer.get("Items") or answer.get("Item") or [] if operation in READS else []
        calls.append((operation, began, time.monotonic(), len(orjson.dumps(read, default=repr))))
        return answer


def in_sequence(calls: list[tuple[str, float, float, int]]) -> int:
    """The longest chain of calls, each begun after the one before it had ended."""
    chain, last = 0, float("-inf")
    for _, began, ended, _ in sorted(calls, key=lambda call: call[2]):
        if began >= last:
            chain, last = chain + 1, ended
    return chain


async def calls_before_token(
    talk: Talk, aws: Measuring, content: str | list[Part]
) -> list[tuple[str, float, float, int]]:
    """Send a message; the calls that have ended before its first token is sent, which is once it is stored:
    the model is asked meanwhile."""
    stored, ended = asyncio.Event(), list[tuple[str, float, float, int]]()

    async def note() -> None:
        await stored.wait()
        ended.extend(aws.calls)

    talk.models.turns, aws.calls = [[note, *says("ok")]], []
    session = await talk.start(content)
    stored.set()
    seen = [event async for batch in session.event_feed for event in batch]
    await session.over()
    assert seen[-1].type == "done"
    return ended


@pytest.mark.timeout(180)
async def test_first_token_after_ninety_large_results_takes_two_round_trips(
    aws_environment: Aws,
) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    aws = Measuring(settings.region)
    aws.calls = []
    talk = Talk(settings, Stores.connect(settings, aws))
    talk.models.turns = [calls(*["x" * 32_768] * AT_ONCE) for _ in range(ROUNDS)]
    assert (await talk.say("look"))[-1].type == "done"
    asked = await calls_before_token(talk, aws, "and now?")
    assert in_sequence(asked) <= 2
    assert sum(read for *_, read in asked) < 800_000
    assert sum(operation == "get_item" for operation, *_ in asked) <= 12
    results = [text for one in await talk.messages() for text in results_of(one)]
    assert [len(text) for text in results] == [32_768] * ROUNDS * AT_ONCE
    await asyncio.to_thread(aws.close)


async def reads_of(settings: Settings, before: int, *, summary: bool) -> tuple[int, int, str]:
    """Return the round trips and the bytes read before the first token in a conversation of so many messages
    of 2 KB, and what the model is sent."""
    aws = Measuring(settings.region)
    aws.calls = []
    talk = Talk(settings, Stores.connect(settings, aws))
    await seed(talk, before, summary=summary)
    asked = await calls_before_token(talk, aws, "and now?")
    await asyncio.to_thread(aws.close)
    return in_sequence(asked), sum(read for *_, read in asked), str(talk.models.requests[-1].messages)


async def seed(talk: Talk, count: int, *, summary: bool) -> None:
    """Store a conversation as its runs would have left it."""
    assert (await talk.say("message 1"))[-1].type == "done"
    stores, dynamo = talk.stores, talk.stores.conversations._dynamo
    made = [
        StoredMessage(f"msg_{number}", role, [{"text": f"message {number} " + "x" * 2_000}], "2026-01-01")
        for number in range(3, count + 1)
        for role in (("user", "assistant")[number % 2 == 0],)
    ]
    for start in range(0, len(made), 50):
        heads, _ = stores.messages.puts(talk.slot, start + 3, made[start : start + 50], "seed")
        await dynamo.transact(*heads)
    lease = {"pk": talk.slot.key, "sk": "RUN"}
    item = await dynamo.get(stores.conversations.table, lease)
    assert item is not None
    await dynamo.write(put(stores.conversations.table, item | {"messages": count}))
    if summary:
        body = orjson.dumps(Summary("the sum", f"msg_{count - 4}", "message 1").to_json()).decode()
        sums = {"pk": talk.slot.key, "sk": SUMMARY_KEY, "body": body}
        await dynamo.write(put(stores.conversations.table, sums))


async def test_first_token_of_a_thousand_messages_takes_the_round_trips_of_ten(aws_environment: Aws) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    few, _, _ = await reads_of(settings, 10, summary=False)
    many, size, sent = await reads_of(settings, 1_000, summary=False)
    assert (few, many) == (2, 2)
    assert size < 700_000
    assert "message 1'" in sent, "the first question is there"
    assert "message 1000 " in sent
    assert "message 700 " not in sent
    summed, size, sent = await reads_of(settings, 1_000, summary=True)
    assert summed == 2
    assert size < 700_000
    assert "the sum" in sent
    assert "message 996 " in sent
    assert "message 995 " not in sent


async def test_messages_between_a_summary_and_the_latest_are_read_too(aws_environment: Aws) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    stores = Stores.connect(settings)
    talk = Talk(settings, stores)
    await seed(talk, 300, summary=True)
    summary = Summary("the sum", "msg_21", "message 1")
    body = orjson.dumps(summary.to_json()).decode()
    sums = {"pk": talk.slot.key, "sk": SUMMARY_KEY, "body": body}
    await stores.conversations._dynamo.write(put(stores.conversations.table, sums))
    assert (await talk.say("and now?"))[-1].type == "done"
    sent = str(talk.models.requests[-1].messages)
    assert [number for number in range(3, 301) if f"message {number} " in sent] == [*range(21, 301)]
    await asyncio.to_thread(stores.aws.close)


@pytest.mark.parametrize(("kind", "trips"), [("url", 2), ("inline", 6), ("upload", 8), ("kept", 4)])
async def test_image_costs_the_round_trips_that_the_docs_tell(
    aws_environment: Aws, kind: str, trips: int
) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    aws = Measuring(settings.region)
    aws.calls = []
    talk = Talk(settings, Stores.connect(settings, aws))
    file = StoredFile("file_1", talk.slot.organization, "user", "a", "image/png", len(png()), now_ms())
    await talk.stores.files.create(file)
    await talk.stores.file_objects.put(file, png())
    image = {
        "url": ImagePart(url="https://example.com/a.png"),
        "inline": ImagePart(data=base64.b64encode(png()).decode(), media_type="image/png"),
    }.get(kind, ImagePart(file_id=file.id))
    content: list[Part] = [TextPart(text="look"), image]
    await (talk.say(content) if kind == "kept" else talk.say("begin"))
    # The image may be read while the message is stored, which is one fewer.
    assert in_sequence(await calls_before_token(talk, aws, content)) in (trips - 1, trips)
    await asyncio.to_thread(aws.close)
