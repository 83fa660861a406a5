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
    """Return the run with its usage and, if recorded, the time to its first token.

    The usage is counted up to the last step, and estimated from the log for the lost turn. A run without its
    own model (a flow) keeps an unknown usage.
    """
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
    """Return the usage of a run: its `progress`, and at least the input and the `logged` output of a lost
    turn.

    `always` means that there was such a turn, even if none of it was logged. The lost part also counts for
    the `parents`.
    """
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
    """Return the progress with the budget's usage; `budget_of` reads it back."""
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
    """Return the number of tokens that a model has written, according to the events of its run."""
    return tokens_in("".join(_said(one.event) for one in logged))


def _said(event: Event) -> str:
    if event["type"] == "tool_call":
        return orjson.dumps(event["arguments"]).decode()
    return str(event.get("token") or (event["type"] == "thinking" and event["text"]) or "")
