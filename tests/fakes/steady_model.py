"""A model server whose answers depend only on the history, so that a repeated turn gets the same answer.

It plays a lead, who pays and asks a helper to pay, and the helper. The till where they pay records payments.
    OPENAI_SERVERS={"steady": {"baseUrl": office.model.url}}    # agents `LEAD` and `HELPER`, made by `agents`
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.fakes.model_bytes import OPENAI_DONE, openai_chunk, openai_usage
from tests.fakes.model_server import Exchange, ModelServer, Script
from tests.serving import served

WORD_SECONDS, PAY_SECONDS = 0.03, 0.3
LEAD, HELPER = "lead", "helper"
LAST = " ".join(f"word{number}" for number in range(60)) + " "
HURRIED = "I hurry. "
"""Said to a live message that came after all else."""
Call = tuple[str, dict[str, Any]]
TURNS: dict[str, list[tuple[str, list[Call]]]] = {
    "lead": [
        (
            "I pay the first part, and a helper pays another one. ",
            [("till__pay", {"part": "first"}), (f"ask_{HELPER}", {"task": "Pay yours for {order}."})],
        ),
        ("Both are done, so I pay the rest. ", [("till__pay", {"part": "rest"})]),
        (LAST, []),
        (HURRIED, []),
    ],
    "helper": [("I pay mine. ", [("till__pay", {"part": "helper"})]), ("Mine is paid. ", [])],
}
PARTS = ("first", "helper", "rest")


class SteadyModel(ModelServer):
    """A model. `asked` has the order of each request and its time (on `time.monotonic()`'s scale)."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, float]] = []

    def _script(self, exchange: Exchange) -> Script:
        messages = exchange.json["messages"]
        order = re.findall(r"order-\w+", orjson.dumps(messages).decode())[0]
        self.asked.append((order, time.monotonic()))
        turns = TURNS[exchange.json["model"]]
        number = sum(message["role"] == "assistant" for message in messages)
        text, calls = turns[min(number, len(turns) - 1)]
        return Script(_answer(order, text, calls, number))


def _answer(order: str, text: str, calls: list[Call], turn: int) -> list[Any]:
    steps: list[Any] = []
    for word in text.split():
        steps += [openai_chunk({"content": f"{word} "}), WORD_SECONDS]
    for number, (name, given) in enumerate(calls):
        arguments = {key: value.format(order=order) for key, value in given.items()}
        arguments |= {"order": order} if "part" in given else {}
        call = {"name": name, "arguments": orjson.dumps(arguments).decode()}
        about = {"index": number, "id": f"call-{turn}-{number}", "type": "function", "function": call}
        steps.append(openai_chunk({"tool_calls": [about]}))
    usage = openai_usage(10, len(text.split()))
    return [*steps, openai_chunk({}, "tool_calls" if calls else "stop"), usage, OPENAI_DONE]


@dataclass
class Office:
    """The model, and the number of times each part of each order was `paid`."""

    model: SteadyModel = field(default_factory=SteadyModel)
    till: str = ""
    paid: Counter[tuple[str, str]] = field(default_factory=Counter)

    def agents(self) -> list[dict[str, Any]]:
        """Return the definitions of both agents."""
        till = [{"name": "till", "url": f"{self.till}/mcp"}]
        helper = {"id": HELPER, "name": "Helper", "model": "steady:helper", "mcpServers": till}
        lead = {"id": LEAD, "name": "Lead", "model": "steady:lead", "tools": [f"agent:{HELPER}"]}
        return [helper, lead | {"mcpServers": till}]

    def servers(self) -> str:
        """The value of `OPENAI_SERVERS`."""
        return orjson.dumps({"steady": {"baseUrl": f"{self.model.url}/v1"}}).decode()


@contextmanager
def office() -> Iterator[Office]:
    """Run the model and the till until the block ends."""
    from mcp.server.mcpserver import MCPServer  # its import takes long, and few tests want an office

    made = Office()
    server = MCPServer[Any]("till", log_level="CRITICAL")

    @server.tool()
    async def pay(order: str, part: str) -> str:
        """Pay a part of an order. Not to be repeated: it says nothing of being idempotent."""
        made.paid[order, part] += 1
        await asyncio.sleep(PAY_SECONDS)
        return "paid"

    with made.model, served(server.streamable_http_app()) as made.till:
        yield made
