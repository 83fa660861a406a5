"""The effect of each step on one event, described for dry runs."""

from typing import Any

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.event import Event
from millrace.pipelines.outcome import Outcome, StepCount
from millrace.pipelines.plan import Plan, PlanStep
from millrace.pipelines.state.store import MemoryStore, Store
from millrace.pipelines.transform import run_step
from millrace.pipelines.work import Work


def explain(plan: Plan, event: Event, state: Store | None = None) -> dict[str, Any]:
    """Return `{id, steps: [{step, type, did, ...}], outputs}`.

    `did` is passed, mapped, dropped, split, held, late or failed. `payloads` are those that continue, and
    `error` is the reason for a failure. `state` is read and changed by dedupe and totals; it defaults to an
    empty one.
    """
    store = state or MemoryStore()
    with Work() as work:
        return _explained(plan, event, store, Outcome([StepCount() for _ in plan.steps], work=work))


def _explained(plan: Plan, event: Event, store: Store, outcome: Outcome) -> dict[str, Any]:
    chunk, steps = Chunk([event.payload], [event]), []
    for step in plan.steps:
        if not len(chunk):
            break
        dead_letters = len(outcome.dead_letters)
        before, chunk = chunk, run_step(step, chunk, outcome, store, event.ingested, backfill=True)
        said: dict[str, Any] = {"step": step.index, "type": step.step.type}
        said["did"] = _verb(step, outcome.counts[step.index], before, chunk)
        if chunk.payloads != before.payloads:
            said["payloads"] = chunk.payloads
        if errors := [dead_letter.message for dead_letter in outcome.dead_letters[dead_letters:]]:
            said["error"] = errors[0]
        steps.append(said)
    return {"id": event.id, "steps": steps, "outputs": chunk.payloads}


def _verb(step: PlanStep, count: StepCount, before: Chunk, after: Chunk) -> str:
    for verb, number in (("failed", count.failed), ("late", count.late), ("held", count.held)):
        if number:
            return verb
    if not len(after):
        return "dropped"
    if len(after) > len(before) or step.step.type == "split":
        return "split"
    return "passed" if after.payloads == before.payloads else "mapped"
