"""A client's tool call, and the session that it belongs to.

No process remembers either of them. A session's id says what the client can do, and the ids of a call's
events contain the call, so any process can continue both. Neither grants access: the token identifies the
caller.
"""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import orjson
from msgspec import Struct

from millrace.errors import InvalidRequest
from millrace.protocols.framing import ChunkId, parse_chunk_id

HANDSHAKE_VERSION = "2025-11-25"
"""The last version that begins with `initialize`, and the first one with tasks and with events that have only
an id."""
MODERN_VERSION = "2026-07-28"
"""The first version without sessions: each request describes its client."""
MOST_ID = 128
_SESSION = re.compile(r"([0-9a-f]{32})-([en])")

RequestId = str | int


class Session(NamedTuple):
    """A session of a client before version 2026-07-28. `elicits` says whether it can ask its user."""

    nonce: str
    elicits: bool

    @classmethod
    def new(cls, *, elicits: bool) -> "Session":
        """Return a new session."""
        return cls(secrets.token_hex(16), elicits)

    def __str__(self) -> str:
        return f"{self.nonce}-{'e' if self.elicits else 'n'}"

    def key(self, request_id: RequestId) -> str:
        """Return the idempotency key of a request, so that a client which sends it again means the same
        call."""
        return f"mcp:{self.nonce}:{type(request_id).__name__[0]}{request_id}"


def parse_session(text: str) -> Session | None:
    """Return the session with an id; None if the id is not one of ours."""
    found = _SESSION.fullmatch(text)
    return Session(found[1], found[2] == "e") if found else None


class Call(Struct, frozen=True):
    """A request that a run answers: its JSON-RPC id, its progress token, the version that its client speaks,
    whether the client can ask its user, and whether to answer with a task at once."""

    request_id: RequestId
    version: str = HANDSHAKE_VERSION
    progress_token: RequestId | None = None
    elicits: bool = False
    task: bool = False

    @property
    def is_modern(self) -> bool:
        """True for a version without sessions, streams that resume, and requests from the server."""
        return self.version >= MODERN_VERSION

    def __str__(self) -> str:
        parts = [self.request_id, self.version, self.progress_token, self.elicits, self.task]
        return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def parse_call(text: str) -> Call:
    """Return the call in a text. Raises `InvalidRequest`."""
    try:
        request_id, version, token, elicits, task = orjson.loads(
            urlsafe_b64decode(text + "=" * (-len(text) % 4))
        )
    except (ValueError, TypeError) as error:
        raise _invalid() from error
    known = is_request_id(request_id) and (token is None or is_request_id(token))
    if not known or not isinstance(version, str) or type(elicits) is not bool or type(task) is not bool:
        raise _invalid()
    return Call(request_id, version, token, elicits, task)


def parse_call_event(text: str) -> tuple[Call, ChunkId]:
    """Return the call and the chunk in the id of an event, `<call>.<runId>.<number>`. Raises
    `InvalidRequest`."""
    call, dot, chunk = text.partition(".")
    if not dot or len(text) > 1024:
        raise _invalid()
    found = parse_chunk_id(chunk)
    if found.event.run_id is None:
        raise _invalid()
    return parse_call(call), found


def is_request_id(value: object) -> bool:
    """Return whether a value can be the id of a request: a whole number or a text of at most `MOST_ID`
    characters."""
    if isinstance(value, str):
        return len(value) <= MOST_ID
    return type(value) is int and abs(value) < 2**63


def _invalid() -> InvalidRequest:
    return InvalidRequest("Send the id of the last event unchanged.", code="invalid_query")
