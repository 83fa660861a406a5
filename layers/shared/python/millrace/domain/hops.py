"""Hops: the number of times that an event has left the platform and come back, so that loops end.

A pipeline whose webhook feeds a pipeline again, or starts a run whose end feeds it again, would go round for
ever. Each delivery over HTTP carries the number in `X-Millrace-Hops`; what a request with the header causes
(pushed events, runs, flows, audit events) carries it on; and a request beyond the limit is refused.
"""

from contextvars import ContextVar

HEADER = "x-millrace-hops"
_MOST_DIGITS = 6
_CURRENT: ContextVar[int] = ContextVar("hops", default=0)


def read_hops(value: str) -> int:
    """The number in a header; 0 for what is none, since other senders may use the name as well."""
    text = value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def current_hops() -> int:
    """The hops of the request that is being answered; 0 outside of one."""
    return _CURRENT.get()


def set_hops(hops: int) -> None:
    """For the current task, and those that it starts."""
    _CURRENT.set(hops)
