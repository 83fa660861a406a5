"""The common part of product analytics: an event's name, its person, and an id of limited length."""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from millrace.destinations.results import Unsendable
from millrace.pipelines.definitions.destinations import ProductAnalytics
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.values import text

_NAMES = ("event", "event_type", "eventType")
_PEOPLE = ("distinct_id", "distinctId", "user_id", "userId", "agent_id", "agentId")
_PLAIN = re.compile(r"[A-Za-z0-9-]{1,36}")


class Tracking:
    """Name and person of events: by the config's expressions, otherwise by the first known field."""

    def __init__(self, config: ProductAnalytics) -> None:
        self._name = compile_expression(config.event).evaluate if config.event else None
        self._person = compile_expression(config.distinct_id).evaluate if config.distinct_id else None

    def name(self, event: Event) -> str:
        """Return the name, by default the event's type. Raises `Unsendable` if it is empty."""
        found = self._name(event.payload, event) if self._name else _first(event.payload, _NAMES)
        return _needed(text(found if found is not None else event.type), "name", "event")

    def person(self, event: Event) -> str:
        """Return the person. Raises `Unsendable` if there is none."""
        found = self._person(event.payload, event) if self._person else _first(event.payload, _PEOPLE)
        return _needed(text(found), "person", "distinctId")


def insert_id(id: str) -> str:
    """Return at most 36 of `A-Z a-z 0-9 -`, always the same for the same id."""
    return id if _PLAIN.fullmatch(id) else sha256(id.encode(errors="surrogatepass")).hexdigest()[:32]


def _first(payload: dict[str, Any], names: Iterable[str]) -> Any:
    return next((payload[name] for name in names if payload.get(name) not in (None, "")), None)


def _needed(value: str, what: str, setting: str) -> str:
    if not value:
        raise Unsendable("incomplete", f"The event has no {what}: set `{setting}` to an expression for it.")
    return value
