"""Replacing a resource by PUT: the body is the resource as GET returns it, with any edits.

Fields that the server sets are accepted, so that the answer of a GET can be sent back, and ignored. Only an
id that differs from the one in the path is an error.
"""

from typing import Annotated, NamedTuple, TypeVar

from pydantic import BaseModel, Field

from millrace.errors import Conflict, InvalidRequest

Settings = TypeVar("Settings", bound=BaseModel)
LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
ManagedBy = Annotated[
    str,
    Field(
        pattern=rf"^({LABEL}(/{LABEL})?)?$",
        description="the label of the file that defines it, see `millrace apply`; empty for none",
    ),
]


class WriteOptions(NamedTuple):
    """The options of a write. With `unchanged_since`, the `updatedAt` that was read before (empty if there
    was nothing), it is refused if the resource has been changed in the meantime. A `dry_run` checks
    everything and writes nothing."""

    unchanged_since: str | None = None
    dry_run: bool = False

    def check(self, updated_at: str | None) -> None:
        """Raise `Conflict` if the resource, or its absence (None), is not what the caller has read."""
        if self.unchanged_since is not None and self.unchanged_since != (updated_at or ""):
            raise changed()


PLAIN = WriteOptions()


def changed() -> Conflict:
    """Return the error for a write that is based on an earlier state."""
    return Conflict(
        "Somebody else has changed this in the meantime; read it again and retry.", code="changed"
    )


def settings_of(kind: type[Settings], given: BaseModel) -> Settings:
    """Return the part of a replacement that a client may set, keeping track of which fields were given."""
    fields = given.model_fields_set & kind.model_fields.keys()
    return kind.model_construct(fields, **{name: getattr(given, name) for name in kind.model_fields})


def check_same(name: str, given: object, expected: str) -> None:
    """Raise `InvalidRequest` if an id in the body differs from the one in the path."""
    if given is not None and given != expected:
        raise InvalidRequest(
            f"{name}: the body has {given!r:.80} and the path {expected!r:.80}; omit `{name}`.",
            code="id_mismatch",
        )
