"""Answering calls that wait: who may, with what, and once."""

import logging
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.approvals import (
    ARGUMENTS_BYTES,
    CONTENT_BYTES,
    Answer,
    Decision,
    GivenAnswer,
    Kind,
    WaitingCall,
)
from millrace.domain.clock import iso
from millrace.domain.ids import valid_id
from millrace.domain.runs import ANSWERED
from millrace.errors import Conflict, Forbidden, InvalidRequest, MillraceError, TooLarge
from millrace.services.runs.access import authorize_run
from millrace.services.runs.asking import expire
from millrace.services.runs.json_schemas import check_value
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed
from millrace.stores.idempotency import Marker
from millrace.stores.runs import unknown_run

log = logging.getLogger(__name__)


async def answer_call(
    stores: Stores, caller: Principal, run_id: str, given: GivenAnswer, marker: Marker | None = None
) -> WaitingCall:
    """Answer a call that waits; the call with the answer that counts. The same answer again gives the
    first. Raises `NotFound`, `Forbidden`, `InvalidRequest`, `TooLarge`, or `Conflict`: `already_answered`
    with another answer, or `not_waiting` where the run goes on without it; and `Repeated` for a `marker` that
    was used before."""
    if not valid_id(run_id):
        raise unknown_run()
    run = await stores.runs.get(caller.organization, run_id)
    call = await stores.approvals.get(run.slot, run_id, given.call_id)
    if not call.admits(caller):
        raise _not_an_approver(call)
    if not call.approvers.admit(caller, ""):  # only as the run's user, who may have lost a share since
        await authorize_run(stores, caller, run_id)
    now = stores.clock()
    answer = Answer(given.decision, caller.id, iso(now), given.arguments, given.content, given.reason)
    if call.answer is None:
        if call.state == "closed":
            raise not_waiting()
        check_answer(call, answer)
        call = await store_answer(stores, call, answer, marker)
    elif not call.settled:  # whoever repeats an answer may do so since the first request broke off
        await _go_on_soon(stores, call)
    assert call.answer is not None
    if not call.answer.says_the_same(answer):
        raise already_answered(call.answer)
    return call


def check_answer(call: WaitingCall, answer: Answer) -> None:
    """Raises `InvalidRequest` or `TooLarge` for an answer that this call cannot have."""
    takes = _TAKES[call.kind]
    if answer.decision not in takes or _wants_more(call, answer):
        raise _invalid("decision", f"This call accepts {' or '.join(takes)}, with content if it asks for it.")
    if answer.arguments is not None and answer.decision != "approve":
        raise _invalid("arguments", "Only an approval may change the arguments.")
    if answer.content is not None and answer.decision != "answer":
        raise _invalid("content", "Only an answer to a question has content; send a reason instead.")
    if answer.decision == "answer":
        _check_content(call, answer.content)
    if answer.arguments is not None:
        _check_size("arguments", answer.arguments, ARGUMENTS_BYTES)
        if call.schema is None:
            raise _invalid(
                "arguments", "This tool has no schema to check them against; approve or reject the call."
            )
        check_value(answer.arguments, call.schema, "arguments")


_TAKES: dict[Kind, tuple[Decision, ...]] = {
    "approval": ("approve", "reject"),
    "question": ("answer", "reject"),
    "input": ("answer", "approve", "reject"),
    "client": ("answer", "reject"),
}
"""The decisions that each kind of call takes. A step of a flow is approved where it asks for nothing more."""


def _wants_more(call: WaitingCall, answer: Answer) -> bool:
    """Return whether a step of a flow is approved that asks for a choice, or for content of a schema."""
    asks = bool(call.options) or call.schema is not None
    return call.kind == "input" and answer.decision == "approve" and asks


def _check_content(call: WaitingCall, content: Any) -> None:
    if content is None:
        raise _invalid("content", "An answer must have content.")
    _check_size("content", content, CONTENT_BYTES)
    if call.options and content not in call.options:
        raise _invalid("content", f"Choose one of {', '.join(call.options)}.")
    if call.schema is not None:
        check_value(content, call.schema, "content")


def _check_size(name: str, value: Any, limit: int) -> None:
    size = len(orjson.dumps(value))
    if size > limit:
        raise TooLarge(f"{name} has {size:,} bytes as JSON; it must not exceed {limit:,} bytes.", limit=limit)


async def store_answer(
    stores: Stores, call: WaitingCall, answer: Answer, marker: Marker | None = None
) -> WaitingCall:
    """Store an answer if the run still waits for it, and has the run go on once all its calls are answered;
    the call with the answer that counts, which is another one where somebody was quicker or the time is
    over. Raises `Conflict` where the run does not wait any more."""
    now = stores.clock()
    # The sweep comes once a minute and may be late; the time decides, not the order in which they come.
    if call.expires_ms <= now:
        call = await expire(stores, call)
    else:
        try:
            await stores.approvals.answer(call, answer, now, marker)
            call = replace(call, answer=answer)
        except ConditionFailed as error:
            call = await stores.approvals.get(call.slot, call.run_id, call.call_id)
            if call.answer is None:
                raise not_waiting() from error
    await _go_on_soon(stores, call)
    return call


async def _go_on_soon(stores: Stores, call: WaitingCall) -> None:
    """Have the run of an answered call go on, now or with the check of every minute: the answer is stored,
    and its sender must not be told otherwise."""
    try:
        await go_on_if_answered(stores, call)
    except MillraceError as error:
        log.warning("run %s was answered and not queued: %s", call.run_id, error.message)


async def go_on_if_answered(stores: Stores, call: WaitingCall) -> bool:
    """Puts the run of an answered call on the run queue if none of its calls waits any more. Of answers that
    come at once the later one sees the other. Should this process die before, the check of every minute does
    it. Repeating it is harmless."""
    calls = await stores.approvals.of_run(call.slot, call.run_id)
    if any(one.state == "waiting" for one in calls):
        return False
    await stores.run_queue.enqueue(call.slot.organization, call.run_id, reason=ANSWERED)
    return True


def already_answered(first: Answer) -> Conflict:
    """The error for an answer that came too late."""
    if first.expired:
        message = "The time to answer is over: the call counts as rejected."
    else:
        message = "This call has been answered already; `answer` is the answer that counts."
    return Conflict(message, code="already_answered", answer=first.to_wire())


def not_waiting() -> Conflict:
    """The error for an answer that nobody waits for."""
    return Conflict("The run is no longer waiting for this answer.", code="not_waiting")


def _not_an_approver(call: WaitingCall) -> Forbidden:
    approvers = call.approvers.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return Forbidden(
        "You may not answer this call; `approvers` lists who may.",
        code="not_an_approver",
        approvers=approvers,
    )


def _invalid(path: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {message}", code="invalid_answer", path=path)
