"""The usage of a run whose process can no longer report it."""

from dataclasses import replace

import orjson

from millrace.agent.estimate import tokens_in
from millrace.agent.model import Usage
from millrace.agent.prices import cost
from millrace.domain.events import Event, LogEntry
from millrace.domain.runs import Run
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of


async def with_estimated_usage(stores: Stores, run: Run) -> Run:
    """The run with its usage as far as its history and its log tell: at least what one call of the model was
    sent, and all that came. A run without a model of its own (a flow) keeps an unknown usage."""
    if not run.model:
        return run
    logged = await stores.log.read(stream_of(run.slot.organization, run.id))
    snapshot = await stores.conversations.open(run.slot)
    sent = "".join(orjson.dumps(message.content).decode() for message in snapshot.history)
    usage = Usage(tokens_in(sent), received(logged), estimated=True)
    total = {"input": usage.input, "output": usage.output, "total": usage.input + usage.output}
    return replace(run, usage=total | {"estimated": True}, cost=cost(run.model, usage))


def received(logged: list[LogEntry]) -> int:
    """The tokens of what a model has said, by the events of its run."""
    return tokens_in("".join(map(_said, (one.event for one in logged))))


def _said(event: Event) -> str:
    if event["type"] == "tool_call":
        return orjson.dumps(event["arguments"]).decode()
    return str(event.get("token") or (event["type"] == "thinking" and event["text"]) or "")
