"""Replacing a resource by PUT: the body is the resource as GET shows it, with any edits.

Fields that the server fills are accepted, so that the answer of a GET can be sent back, and ignored; only an
id that is not the one of the path is a mistake.
"""

from typing import TypeVar

from pydantic import BaseModel

from millrace.errors import InvalidRequest

Settings = TypeVar("Settings", bound=BaseModel)


def settings_of(kind: type[Settings], given: BaseModel) -> Settings:
    """Return the part of a replacement that a client may set, keeping which fields were given."""
    fields = given.model_fields_set & kind.model_fields.keys()
    return kind.model_construct(fields, **{name: getattr(given, name) for name in kind.model_fields})


def check_same(name: str, given: object, expected: str) -> None:
    """Raise `InvalidRequest` for an id in the body that is another than the one in the path."""
    if given is not None and given != expected:
        raise InvalidRequest(
            f"{name}: the body names {given!r:.80} and the path {expected!r:.80}; leave `{name}` out.",
            code="id_mismatch",
        )
