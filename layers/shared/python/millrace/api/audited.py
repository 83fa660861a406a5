"""Audits the operations of the API: writes an entry before each call, and its outcome after it."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from starlette.requests import Request

from millrace.api.errors import request_id
from millrace.api.operation import Operation
from millrace.domain.access import Principal
from millrace.domain.audit import CurrentCall, Kind, current_call, set_call
from millrace.domain.ids import valid_user
from millrace.errors import Forbidden, MillraceError
from millrace.stores.audit import AuditLog

log = logging.getLogger(__name__)
OTHERS = ("userId", "owner", "createdBy")
"""Query parameters that name another user."""
NAMED = (*OTHERS, "agentId", "all")
_BY_USE = frozenset({"chat", "voice"})
"""Scopes that every user of agents has: a refused call without them is not audited."""
Answer = TypeVar("Answer")


async def admitted(request: Request, operation: Operation, caller: Principal) -> None:
    """Check that a caller may call an operation. Raises `Forbidden`, which is audited."""
    set_call(CurrentCall(f"{operation.method} {operation.path}", request_id(request)))
    try:
        operation.admit(caller)
    except Forbidden:
        if audit := _audit(request):
            if not any(_BY_USE.intersection(scopes) for scopes in operation.needs):
                await audit.refuse(caller, _target(request), Forbidden.status)
        raise


async def noted(
    request: Request, operation: Operation, caller: Principal, act: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Call an operation, with an entry if it changes something or reads another user's data. Raises
    `Unavailable`, before anything is done, if the entry cannot be written."""
    audit = _audit(request)
    if audit is None or not _is_noted(request, operation, caller):
        return await act()
    kind: Kind = "access" if operation.method == "GET" else "act"
    return await _with_entry(audit, caller, kind, _target(request), act, _status_of)


def _status_of(error: Exception) -> int:
    return error.status if isinstance(error, MillraceError) else 500


async def noted_method(
    request: Request,
    caller: Principal,
    method: str,
    target: Mapping[str, str],
    act: Callable[[], Awaitable[Answer]],
    status_of: Callable[[Exception], int] = _status_of,
) -> Answer:
    """Call one of the methods that an operation accepts in its body, with an entry as in `noted`. The action
    is the operation followed by the method. `target` has the ids from the body."""
    audit = _audit(request)
    if audit is None:
        return await act()
    call = current_call()
    action = f"{call.action} {method}" if method else call.action
    set_call(CurrentCall(action, call.request_id))
    ids = _target(request) | {name: one[:255] for name, one in target.items() if valid_user(one[:255])}
    return await _with_entry(audit, caller, "act", ids, act, status_of)


async def _with_entry(
    audit: AuditLog,
    caller: Principal,
    kind: Kind,
    target: Mapping[str, str],
    act: Callable[[], Awaitable[Answer]],
    status_of: Callable[[Exception], int],
) -> Answer:
    entry = await audit.begin(caller, kind, target)
    status, created = 500, None
    try:
        answer = await act()
        status = getattr(answer, "status_code", 200)
        created = getattr(answer, "headers", {}).get("location")
    except Exception as error:
        status = status_of(error)
        raise
    finally:
        if entry:
            try:
                await audit.end(caller.organization, entry, status, created)
            except MillraceError as error:
                log.warning("the outcome of the audit entry %s is not stored: %s", entry.id, error.message)
    return answer


def _is_noted(request: Request, operation: Operation, caller: Principal) -> bool:
    if operation.audited is not None:
        return operation.audited
    if operation.method != "GET":
        return True
    return any(request.query_params.get(name, caller.id) not in ("", caller.id) for name in OTHERS)


def _audit(request: Request) -> AuditLog | None:
    return getattr(request.state, "audit", None)


def _target(request: Request) -> dict[str, str]:
    """Return the ids that a call is about, from its path and its query."""
    ids = {_camel(name): str(value) for name, value in request.path_params.items()}
    query = request.query_params
    ids |= {name: query[name] for name in NAMED if name in query}
    return {name: value[:255] for name, value in ids.items() if valid_user(value[:255])}


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)
