"""Reads answers into the models of the API.

A server of a later release may send more than this client knows: unknown fields are kept, and an answer that
does not match its model is built without checks rather than refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def model(kind: type[M]) -> Callable[[Any], M]:
    """Return a function that reads answers of this model."""

    def read(data: Any) -> M:
        try:
            return kind.model_validate(data, extra="allow")
        except ValidationError:
            found: M = _built(kind, data)
            return found

    return read


@dataclass(frozen=True, slots=True)
class JsonPage(Generic[T]):
    """A page of plain JSON objects: of runs, and of events."""

    items: list[T]
    next_cursor: str | None


def json_page(data: Any) -> JsonPage[Any]:
    """Read a page whose items are typed dictionaries."""
    return JsonPage(data["items"], data.get("nextCursor"))


def nothing(data: Any) -> None:
    """Read an empty answer."""


def as_it_is(data: Any) -> Any:
    """Read an answer without a model: return the JSON itself."""
    return data


def _built(kind: Any, data: Any) -> Any:
    """Return `data` as this type, as far as it matches."""
    origin = get_origin(kind)
    if isinstance(kind, type) and issubclass(kind, RootModel):
        return kind.model_construct(_built(kind.model_fields["root"].annotation, data))
    if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(data, dict):
        return kind.model_construct(**_fields(kind, data))
    if origin is list and isinstance(data, list):
        return [_built(get_args(kind)[0], item) for item in data]
    if origin in (Union, UnionType):
        return _best(get_args(kind), data)
    return data


def _fields(kind: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    known = {(field.alias or name): field.annotation for name, field in kind.model_fields.items()}
    return {name: _built(known[name], value) if name in known else value for name, value in data.items()}


def _best(kinds: tuple[Any, ...], data: Any) -> Any:
    """Return `data` as the first of these types that it matches, otherwise as the first model, otherwise
    unchanged."""
    for one in kinds:
        try:
            return TypeAdapter(one).validate_python(data, extra="allow")
        except ValidationError:
            continue
    models = [one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)]
    return _built(models[0], data) if models and isinstance(data, dict) else data
