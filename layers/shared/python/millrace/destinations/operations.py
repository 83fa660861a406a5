"""The operations of events on rows, with their values.

`operation` may be a template, so that one destination mirrors a table. Rows are then written with upsert,
whatever the change was, because changes arrive in any order. With `deletedField`, a deleted row stays as a
mark with its version, and no older change restores it.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from millrace.destinations.results import Unsendable
from millrace.pipelines.definitions.destinations import OPERATIONS, DatabaseConfig, is_template
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.fields_read import template_fields
from millrace.pipelines.expressions.template import compile_template

Values = dict[str, Any]


class Change(Struct, frozen=True):
    """A change of a row.

    `operation` is insert, upsert, update or delete. `deleted` tells whether an upsert marks its row as
    deleted (None: the table has no such marks).
    """

    operation: str
    values: Values
    deleted: bool | None = None


def change_of(config: DatabaseConfig, event: Event) -> Change:
    """Return the event's change. Raises `Unsendable` for an unknown operation."""
    operation, read = _operation(config, event)
    values = {name: value for name, value in event.payload.items() if name not in read}
    version = config.version_field
    if version and values.get(version) is None and event.sequence:
        values[version] = event.sequence
    if operation == "delete" and config.deleted_field is None:
        kept = {*config.conflict_fields, version}
        return Change(operation, {name: value for name, value in values.items() if name in kept})
    if config.deleted_field is None:
        return Change(operation, values)
    values.pop(config.deleted_field, None)
    return Change("upsert", values, deleted=operation == "delete")


def _operation(config: DatabaseConfig, event: Event) -> tuple[str, frozenset[str]]:
    """Return the operation, and the fields that only determine it."""
    if not is_template(config.operation):
        return config.operation, frozenset()
    render, read = _template(config.operation)
    said = render(event.payload, event).strip().lower()
    if said not in OPERATIONS:
        raise Unsendable("unknown_operation", f"{said!r:.40} is not an operation; use {_ALL}.")
    return "delete" if said == "delete" else "upsert", read


_ALL = ", ".join(OPERATIONS)


@lru_cache(maxsize=256)
def _template(source: str) -> tuple[Callable[[Values, Event], str], frozenset[str]]:
    return compile_template(source).render, frozenset(template_fields(source))
