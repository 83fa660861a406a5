"""Hops: the number of times that an event has left the platform and come back, which ends loops.

A pipeline whose webhook feeds a pipeline again, or starts a run whose end does so, would otherwise loop
endlessly. Each delivery over HTTP has the number in `X-Millrace-Hops`; everything that a request with the
header causes (pushed events, runs, flows, audit events) inherits it; and a request above the limit is
refused.
"""

from contextvars import ContextVar

HEADER = "x-millrace-hops"
_MOST_DIGITS = 6
_CURRENT: ContextVar[int] = ContextVar("hops", default=0)


def read_hops(value: str) -> int:
    """Return the number in a header; 0 if it is not one, since other senders may use the header as well."""
    text = value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def current_hops() -> int:
    """Return the hops of the current request; 0 outside of one."""
    return _CURRENT.get()


def set_hops(hops: int) -> None:
    """Set the hops for the current task and those that it starts."""
    _CURRENT.set(hops)
