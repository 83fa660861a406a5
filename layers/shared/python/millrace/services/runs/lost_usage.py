"""The usage of a run whose process can no longer report it."""

from collections.abc import Iterable, Sequence

import orjson
from msgspec.structs import replace

from millrace.agent.budget import Budget
from millrace.agent.estimate import tokens_in
from millrace.agent.model import Usage
from millrace.domain.agents import AgentLimits
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event, LogEntry
from millrace.domain.projection import last_announced
from millrace.domain.runs import LeaseRecord, Progress, Run
from millrace.services.runs.model_history import recent_history
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of


async def with_estimated_usage(stores: Stores, run: Run, lease: LeaseRecord) -> Run:
    """The run with its usage: up to its last step as it was counted, and of the turn that was lost as far as
    the log tells; and with the time to its first token, where that was noted. A run without a model of its
    own (a flow) keeps an unknown usage."""
    if not run.model:
        return run
    logged = await stores.log.read(stream_of(run.slot.organization, run.id), lease.saved)
    snapshot = await stores.conversations.open(run.slot)
    progress = Progress.of(lease.progress)
    nothing_known = not (progress.input or progress.output)
    sent = recent_history(snapshot)
    used = budget_of(AgentLimits(), run.model, progress, sent, logged, always=nothing_known)
    first = progress.time_to_first_token()
    return replace(run, usage=used.usage(), cost=used.cost, first_token_ms=first)


def budget_of(
    limits: AgentLimits,
    model: str,
    progress: Progress,
    history: Sequence[StoredMessage],
    logged: Sequence[LogEntry],
    *,
    always: bool = False,
    parents: Sequence[Budget] = (),
) -> Budget:
    """Return the usage of a run: its `progress`, and of a turn that was lost at least what the model was
    sent and what is `logged` of its answer. `always`: there was such a turn, even if nothing of it was
    logged. What was lost counts for the `parents` too."""
    budget = Budget(
        limits,
        input=progress.input,
        output=progress.output,
        iterations=progress.iterations,
        cost=progress.cost,
        estimated=progress.estimated,
        cache_read=progress.cache_read,
        cache_write=progress.cache_write,
        parents=list(parents),
    )
    lost = received(last_announced(logged))
    if lost or always:
        sent = "".join(orjson.dumps(message.content).decode() for message in history)
        budget.spend(model, Usage(tokens_in(sent), lost, estimated=True))
    return budget


def with_usage(progress: Progress, budget: Budget) -> Progress:
    """Return the progress with what the budget says that the run has used; `budget_of` reads it back."""
    return replace(
        progress,
        iterations=budget.iterations,
        input=budget.input,
        output=budget.output,
        cost=budget.cost,
        estimated=budget.estimated,
        cache_read=budget.cache_read,
        cache_write=budget.cache_write,
    )


def received(logged: Iterable[LogEntry]) -> int:
    """The tokens of what a model has said, by the events of its run."""
    return tokens_in("".join(_said(one.event) for one in logged))


def _said(event: Event) -> str:
    if event["type"] == "tool_call":
        return orjson.dumps(event["arguments"]).decode()
    return str(event.get("token") or (event["type"] == "thinking" and event["text"]) or "")
