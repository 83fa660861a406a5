"""Checks of a run's events."""

from collections.abc import Iterable, Sequence
from types import EllipsisType

from millrace.domain.events import Event

Events = list[Event]
Pattern = str | EllipsisType
_TELLS = ("name", "message", "content", "text", "token", "output")


def check_events(events: Iterable[Event], expected: Sequence[Pattern]) -> None:
    """Raise `AssertionError` with both lists if they differ."""
    found = _in_one(events)
    if not _fits(found, expected):
        wanted = ", ".join("..." if isinstance(one, EllipsisType) else one for one in expected)
        raise AssertionError(f"The events are\n  {', '.join(found)}\nand not\n  {wanted}")


def _in_one(events: Iterable[Event]) -> list[str]:
    """Return each event as `type:content`, with the pieces of one text joined."""
    found: list[tuple[str, str]] = []
    for event in events:
        kind, detail = event["type"], next((str(event[name]) for name in _TELLS if event.get(name)), "")
        if found and kind in ("token", "thinking", "tool_output") and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + detail)
        else:
            found.append((kind, detail))
    return [f"{kind}:{detail}" if detail else kind for kind, detail in found]


def _fits(found: Sequence[str], expected: Sequence[Pattern]) -> bool:
    if not expected:
        return not found
    first, rest = expected[0], expected[1:]
    if isinstance(first, EllipsisType):
        return any(_fits(found[at:], rest) for at in range(len(found) + 1))
    return bool(found) and _is(found[0], first) and _fits(found[1:], rest)


def _is(found: str, expected: str) -> bool:
    return (
        found == expected
        or found.startswith(f"{expected}:")
        or (":" in expected and found.startswith(expected))
    )
