"""Field paths (`tokenUsage.total`, `$meta.type`) as closures."""

from millrace.pipelines.expressions.compiler import Column, Scalar, path, path_column

Keys = tuple[str, ...]


def _split(field: str) -> tuple[str, Keys]:
    names = tuple(field.split("."))
    return (names[0], names[1:]) if names[0] in ("$meta", "$event") else ("$event", names)


def field_of(field: str) -> Scalar:
    """The field's value in one event; null where it is missing."""
    return path(*_split(field))


def field_column(field: str) -> Column:
    """The field's value in each event of a chunk."""
    root, keys = _split(field)
    if root == "$event" and keys:
        return path_column(keys)
    scalar = path(root, keys)
    return lambda payloads, events: list(map(scalar, payloads, events))


def parent_and_name(field: str) -> tuple[Scalar, str]:
    """Where the field stands, and its last name."""
    root, keys = _split(field)
    return (path(root, keys[:-1]), keys[-1]) if keys else (path("$event", ()), root)
