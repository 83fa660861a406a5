"""Errors of ours that have gone through a framework."""

from millrace.agent.code.model import LimitReached
from millrace.errors import MillraceError


def of_ours(error: BaseException) -> Exception | None:
    """Return the error of ours that a framework has wrapped; None where there is none."""
    found: BaseException | None = error
    seen: list[BaseException] = []
    while found is not None and found not in seen:
        if isinstance(found, MillraceError | LimitReached):
            return found
        seen.append(found)
        found = found.__cause__ or found.__context__
    return None
