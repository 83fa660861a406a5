"""Values checked against JSON Schemas of tools and questions."""

from typing import Any

from millrace.errors import InvalidRequest

ERRORS_SHOWN = 5


def check_value(value: Any, schema: dict[str, Any], name: str) -> None:
    """Raises `InvalidRequest` that names the wrong fields, or says that the schema itself cannot be used."""
    # Imported here: it takes 0.1 s, and only answers with a schema need it.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        found = sorted(
            Draft202012Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.path))
        )
    except (SchemaError, Unresolvable, RecursionError) as error:
        raise InvalidRequest(
            f"The schema of {name} cannot be used: {_first_line(error)}", code="invalid_schema"
        ) from error
    if found:
        fields = [
            {"path": ".".join([name, *map(str, error.path)]), "message": _cut(error.message)}
            for error in found[:ERRORS_SHOWN]
        ]
        text = "; ".join(f"{one['path']}: {one['message']}" for one in fields)
        raise InvalidRequest(f"{text}.", code="invalid_arguments", fields=fields)


def check_schema(schema: dict[str, Any], name: str) -> None:
    """Raises `InvalidRequest` for what is no JSON Schema, or one that leads out of itself."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        raise InvalidRequest(f"{name}: {_first_line(error)}", code="invalid_schema", path=name) from error


def _first_line(error: Exception) -> str:
    return _cut(str(getattr(error, "message", "") or type(error).__name__))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:299] + "…"
