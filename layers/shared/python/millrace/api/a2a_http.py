"""Requests and answers that A2A's bindings have in common."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

from a2a.types.a2a_pb2 import CancelTaskRequest, SendMessageRequest
from a2a.utils.errors import A2AError, InvalidParamsError, UnsupportedOperationError, VersionNotSupportedError
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from starlette.requests import Request

from millrace.api.a2a_call import Call
from millrace.api.a2a_tasks import TaskStream
from millrace.api.audited import noted_method
from millrace.api.deadline import deadline
from millrace.api.endpoint import MAX_BODY, read_bytes
from millrace.api.resume import cursor_text
from millrace.api.sse import EventStream
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.conversations import MESSAGE_BYTES
from millrace.domain.json_reader import media_type, read_json
from millrace.errors import MillraceError
from millrace.protocols.a2a.card import VERSION
from millrace.protocols.a2a.encoding import Shape, encode
from millrace.protocols.a2a.errors import rest_error
from millrace.protocols.protocol import RETRY
from millrace.protocols.table import A2A

BODY = MAX_BODY + 6 * MESSAGE_BYTES
ERRORS = (A2AError, MillraceError)
M = TypeVar("M", bound=Message)
Found = TypeVar("Found")


def check_version(request: Request) -> None:
    """Raise `VersionNotSupportedError` for a client of another version. Without the header, the version is
    0.3."""
    given = request.headers.get("a2a-version", "").strip() or request.query_params.get("A2A-Version", "")
    if given.partition(".")[0] != VERSION.partition(".")[0]:
        raise VersionNotSupportedError(
            f"A2A version {given or '0.3'!r:.20} is not supported. Send the header A2A-Version: {VERSION}."
        )


def call_of(request: Request, caller: Principal, agent: Agent) -> Call:
    """Return the call that a request makes."""
    return Call(caller, agent, cursor_text(request), deadline(request))


def is_json(request: Request) -> bool:
    """Return whether the content type of the body is JSON."""
    kind = media_type(request.headers.get("content-type", "application/json"))
    return kind == "application/json" or kind.endswith("+json")


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object. Raises `InvalidParamsError`, or `InvalidRequest` if it is not
    JSON."""
    body = read_json(await read_bytes(request, BODY) or b"{}")
    if not isinstance(body, dict):
        raise InvalidParamsError("The body must be a JSON object.")
    return body


def parsed(fields: Any, message: M) -> M:
    """Read a message of the protocol from JSON, ignoring unknown fields. Raises `InvalidParamsError`."""
    if not isinstance(fields, dict):
        raise InvalidParamsError("The parameters must be a JSON object.")
    try:
        ParseDict(fields, message, ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, RecursionError) as error:
        raise InvalidParamsError(f"The parameters are not valid: {error}"[:500]) from error
    return message


async def noted_change(
    request: Request,
    call: Call,
    method: str,
    given: Any,
    act: Callable[[], Awaitable[Found]],
    *,
    changes: bool = False,
) -> Found:
    """Call `act`, with an entry in the audit log if it `changes` something.

    Messages name their author, so they are not audited, unless they are sent to a task, where they may answer
    a question, or have the task's updates pushed somewhere.
    """
    if not (changes or _does_more(given)):
        return await act()
    return await noted_method(request, call.caller, method, _ids_of(given), act, _status_of)


def _does_more(given: Any) -> bool:
    if not isinstance(given, SendMessageRequest):
        return False
    return bool(given.message.task_id) or given.configuration.HasField("task_push_notification_config")


def _ids_of(given: Any) -> dict[str, str]:
    if isinstance(given, SendMessageRequest):
        ids = {"taskId": given.message.task_id, "conversationId": given.message.context_id}
    elif isinstance(given, CancelTaskRequest):
        ids = {"taskId": given.id}
    else:
        ids = {"taskId": given.task_id, "pushId": given.id}
    return {name: id for name, id in ids.items() if id}


def _status_of(error: Exception) -> int:
    return rest_error(error)[0] if isinstance(error, A2AError | MillraceError) else 500


def event_stream(stream: TaskStream, shape: Shape) -> EventStream:
    """Return the response that streams a task."""
    session = stream.session
    return EventStream(
        _frames(stream, shape),
        protocol=A2A,
        headers={"x-run-id": stream.run_id},
        on_end=session.over if session else None,
        on_disconnect=session.leave if session else None,
    )


async def _frames(stream: TaskStream, shape: Shape) -> AsyncGenerator[bytes, None]:
    try:
        async for updates in stream.updates:
            yield encode(updates, stream.run_id, shape)
        if not stream.projection.over:
            yield RETRY
    finally:
        await stream.updates.aclose()


def unsupported(what: str) -> UnsupportedOperationError:
    """Return the error for an operation that this agent does not support."""
    return UnsupportedOperationError(f"{what} is not supported.")
