"""JSON Schema keywords that count their work.

A schema of a few lines can require more checks than a process can do in its lifetime: a chain of 40
definitions that each refer to the next one twice doubles the checks 40 times. Schemas come from users, models
and other servers, and a process works for several organizations.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = Callable[[Any, Any, Any, Any], Iterator[Any] | None]
MOST_WORK = 7_500_000
"""The maximum work, in units of about 100 ns as for pipelines. Ordinary schemas need less for 256 KB."""
_PER_KEYWORD, _PER_ERROR = 20, 50
_LONGEST_MESSAGE = 300
_LAST = ("unevaluatedItems", "unevaluatedProperties")


class TooMuchWork(Exception):
    """The schema requires more checks of a value than are allowed."""


class Work:
    """The remaining work for one value."""

    def __init__(self) -> None:
        self._left = MOST_WORK

    def spend(self, units: int) -> None:
        """Count work. Raises `TooMuchWork`."""
        self._left -= units
        if self._left < 0:
            raise TooMuchWork("it asks for too many checks of this value")


def keywords(known: Mapping[str, Check]) -> dict[str, Check]:
    """Return keywords that count their work for one value."""
    work = Work()
    own = {"pattern": _pattern(work), "uniqueItems": _unique_items(work)}
    return {name: _counted(check, work) for name, check in {**known, **own}.items()}


def in_order(schema: Any) -> list[tuple[str, Any]]:
    """Return the keywords of a schema. Those that check again what others have checked come last, because the
    others count the work."""
    return sorted(schema.items(), key=lambda item: item[0] in _LAST)


def _counted(check: Check, work: Work) -> Check:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        work.spend(_PER_KEYWORD + _length(value) + _length(instance))
        if isinstance(value, list) and (refusing := value.count(False)):
            # Each of them reports the whole instance, and `anyOf` keeps the reports.
            work.spend(refusing * _written(instance))
        for error in check(validator, value, instance, schema) or ():
            work.spend(_PER_ERROR + (len(error.message) >> 6))
            error.message = cut(error.message)
            yield error

    return counted


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _written(value: Any) -> int:
    return len(repr(value)) >> 6


def _pattern(work: Work) -> Check:
    import re2
    from jsonschema.exceptions import ValidationError

    def check(validator: Any, pattern: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(value, str):
            return
        compiled = re2.compile(pattern)
        work.spend(len(value) * compiled.programsize >> 7)
        if not compiled.search(value):
            yield ValidationError(f"the text does not match {pattern!r}")

    return check


def _unique_items(work: Work) -> Check:
    """Check uniqueness by hash. jsonschema compares all pairs of items that cannot be sorted."""
    from jsonschema.exceptions import ValidationError

    def check(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        if (
            wanted
            and isinstance(value, list)
            and len({_comparable(item, work) for item in value}) < len(value)
        ):
            yield ValidationError("the items are not unique")

    return check


def _comparable(value: Any, work: Work) -> Any:
    """The value as one that has a hash: true is not 1, but 1.0 is."""
    work.spend(1 + _length(value))
    if isinstance(value, list):
        return tuple(_comparable(item, work) for item in value)
    if isinstance(value, dict):
        return frozenset((name, _comparable(item, work)) for name, item in value.items())
    return (bool, value) if isinstance(value, bool) else value


def cut(text: str) -> str:
    """Return a text on one line, which is short."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
