"""Field paths (`tokenUsage.total`, `$meta.type`) as closures."""

from millrace.pipelines.chunk import Column
from millrace.pipelines.expressions.compiler import Scalar, path, path_column

Keys = tuple[str, ...]


def _split(field: str) -> tuple[str, Keys]:
    names = tuple(field.split("."))
    return (names[0], names[1:]) if names[0] in ("$meta", "$event") else ("$event", names)


def field_of(field: str) -> Scalar:
    """The field's value in one event; null where it is missing."""
    return path(*_split(field))


def field_column(field: str) -> Column:
    """The field's value in each event of a chunk."""
    return path_column(*_split(field))


def parent_and_name(field: str) -> tuple[Column, str]:
    """Where the field stands, and its last name."""
    root, keys = _split(field)
    return (path_column(root, keys[:-1]), keys[-1]) if keys else (path_column("$event", ()), root)
