"""Traces: the W3C trace context of a request, and the ids of a run's spans.

Ids are made of those of the run, so that whoever reports a span again reports the same one.
"""

import re
from contextvars import ContextVar
from hashlib import sha256
from typing import NamedTuple

HEADER = "traceparent"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_CURRENT: ContextVar[str] = ContextVar("traceparent", default="")


class TraceContext(NamedTuple):
    """The trace that a run belongs to and the span that caused it; that is empty where there is none."""

    trace_id: bytes
    parent: bytes = b""


def read_traceparent(value: str) -> str:
    """A `traceparent` header as version 00; empty for what is none (https://www.w3.org/TR/trace-context)."""
    found = _FORM.fullmatch(value.strip())
    if found is None:
        return ""
    version, trace_id, parent, more = found.groups()
    unusable = version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(parent, 16)
    return "" if unusable else f"00-{trace_id}-{parent}-01"


def current_traceparent() -> str:
    """The `traceparent` of the request that is being answered, or of the run that goes on; empty where there
    is none."""
    return _CURRENT.get()


def set_traceparent(traceparent: str) -> None:
    """For the current task, and those that it starts."""
    _CURRENT.set(traceparent)


def context_of(organization: str, run_id: str, traceparent: str) -> TraceContext:
    """The context of a run: that of its request, or a trace of its own. Two organizations may use one run id,
    since clients can choose it."""
    if traceparent:
        _, trace_id, parent, _ = traceparent.split("-")
        return TraceContext(bytes.fromhex(trace_id), bytes.fromhex(parent))
    return TraceContext(sha256(f"{organization}\0{run_id}".encode()).digest()[:16])


def span_id(organization: str, run_id: str, *part: str) -> bytes:
    """The id of a run's span, or of that of a `part` of it."""
    return sha256("\0".join((organization, run_id, "span", *part)).encode()).digest()[:8]
