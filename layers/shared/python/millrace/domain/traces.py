"""Traces: the W3C trace context of a request, and the ids of a run's spans.

The ids are derived from those of the run, so that a span that is reported again has the same id.
"""

import re
from contextvars import ContextVar
from hashlib import sha256
from typing import NamedTuple

HEADER = "traceparent"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_CURRENT: ContextVar[str] = ContextVar("traceparent", default="")


class TraceContext(NamedTuple):
    """The trace of a run, and the span that caused the run; empty if there is none."""

    trace_id: bytes
    parent: bytes = b""


def read_traceparent(value: str) -> str:
    """Return a `traceparent` header as version 00; empty if it is not valid
    (https://www.w3.org/TR/trace-context)."""
    found = _FORM.fullmatch(value.strip())
    if found is None:
        return ""
    version, trace_id, parent, more = found.groups()
    unusable = version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(parent, 16)
    return "" if unusable else f"00-{trace_id}-{parent}-01"


def current_traceparent() -> str:
    """Return the `traceparent` of the current request or run; empty if there is none."""
    return _CURRENT.get()


def set_traceparent(traceparent: str) -> None:
    """Set the `traceparent` for the current task and those that it starts."""
    _CURRENT.set(traceparent)


def context_of(organization: str, run_id: str, traceparent: str) -> TraceContext:
    """Return the context of a run: that of its request, or a new trace. The organization is part of the id,
    since clients can choose run ids and two organizations may use the same one."""
    if traceparent:
        _, trace_id, parent, _ = traceparent.split("-")
        return TraceContext(bytes.fromhex(trace_id), bytes.fromhex(parent))
    return TraceContext(sha256(f"{organization}\0{run_id}".encode()).digest()[:16])


def span_id(organization: str, run_id: str, *part: str) -> bytes:
    """Return the id of a run's span, or of the span of a `part` of it."""
    return sha256("\0".join((organization, run_id, "span", *part)).encode()).digest()[:8]
