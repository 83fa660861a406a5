"""Answers to waiting calls: permission, validation, and a single effect."""

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
    """Answer a waiting call, and return the call with the answer that counts.

    A repeated answer gets the first one. Raises `NotFound`, `Forbidden`, `InvalidRequest`, `TooLarge`, or
    `Conflict`: `already_answered` if there is a different answer, or `not_waiting` if the run continues
    without it. Raises `Repeated` for a `marker` that was used before.
    """
    if not valid_id(run_id):
        raise unknown_run()
    run = await stores.runs.get(caller.organization, run_id)
    call = await stores.approvals.get(run.slot, run_id, given.call_id)
    if not call.admits(caller):
        raise _not_an_approver(call)
    if not call.approvers.admit(caller, ""):  # only as the run's user, who may have lost access since
        await authorize_run(stores, caller, run_id)
    now = stores.clock()
    answer = Answer(given.decision, caller.id, iso(now), given.arguments, given.content, given.reason)
    if call.answer is None:
        if call.state == "closed":
            raise not_waiting()
        check_answer(call, answer)
        call = await store_answer(stores, call, answer, marker)
    elif not call.settled:  # an answer may be repeated because the first request was interrupted
        await _go_on_soon(stores, call)
    assert call.answer is not None
    if not call.answer.says_the_same(answer):
        raise already_answered(call.answer)
    return call


def check_answer(call: WaitingCall, answer: Answer) -> None:
    """Raise `InvalidRequest` or `TooLarge` for an answer that this call does not accept."""
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
"""The decisions that each kind of call accepts. A step of a flow is approved if it asks for nothing else."""


def _wants_more(call: WaitingCall, answer: Answer) -> bool:
    """Return whether an approval is not enough, because a flow's step asks for a choice or for content."""
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
    """Store an answer if the run still waits for it, and let the run continue once all calls are answered.

    Return the call with the answer that counts, which differs if another one was faster or the call has
    expired. Raises `Conflict` if the run does not wait any more.
    """
    now = stores.clock()
    # The sweep runs once a minute and may be late, so the time decides, not the order of arrival.
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
    """Let the run of an answered call continue, now or with the check of every minute.

    Errors are only logged: the answer is stored, so its sender must not get an error.
    """
    try:
        await go_on_if_answered(stores, call)
    except MillraceError as error:
        log.warning("run %s was answered and not queued: %s", call.run_id, error.message)


async def go_on_if_answered(stores: Stores, call: WaitingCall) -> bool:
    """Enqueue the run of an answered call if none of its calls waits any more.

    Of concurrent answers, the later one sees the other. If this process dies first, the check of every minute
    enqueues the run. Can be repeated safely.
    """
    calls = await stores.approvals.of_run(call.slot, call.run_id)
    if any(one.state == "waiting" for one in calls):
        return False
    await stores.run_queue.enqueue(call.slot.organization, call.run_id, reason=ANSWERED)
    return True


def already_answered(first: Answer) -> Conflict:
    """Return the error for an answer that is too late."""
    if first.expired:
        message = "The time to answer has passed: the call counts as rejected."
    else:
        message = "This call has been answered already; `answer` is the answer that counts."
    return Conflict(message, code="already_answered", answer=first.to_wire())


def not_waiting() -> Conflict:
    """Return the error for an answer to a run that does not wait."""
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
