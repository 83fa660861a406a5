"""Validation of values against JSON Schemas from tools, MCP servers and models.

Patterns are matched by RE2, in time linear in the text. References resolve only within the schema. The work
of a check is bounded.
"""

import re
from collections.abc import Iterator
from typing import Any

from millrace.errors import InvalidRequest
from millrace.services.runs.schema_keywords import TooMuchWork, cut, in_order, keywords

ERRORS_SHOWN = 5
_UNUSABLE = "invalid_schema"


def check_value(value: Any, schema: dict[str, Any], name: str) -> None:
    """Raise `InvalidRequest`:

    `invalid_arguments` names the invalid fields, `invalid_schema` means that the schema itself cannot be
    used.
    """
    # Imported here, because it takes 0.1 s and few requests need it.
    from referencing.exceptions import Unresolvable

    checker = _checker(schema, name)
    try:
        # As strings, because a path mixes names with list positions, which Python does not compare.
        found = sorted(checker.iter_errors(value), key=lambda error: [str(part) for part in error.path])
    except (Unresolvable, RecursionError, ArithmeticError, TooMuchWork) as error:
        raise _unusable(name, error) from error
    if found:
        fields = [
            {"path": ".".join([name, *map(str, error.path)]), "message": cut(error.message)}
            for error in found[:ERRORS_SHOWN]
        ]
        text = "; ".join(f"{one['path']}: {one['message']}" for one in fields)
        raise InvalidRequest(f"{text}.", code="invalid_arguments", fields=fields)


_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "properties"})
"""Keywords whose objects contain schemas under names chosen by the author."""
_DATA = frozenset({"const", "default", "enum", "examples"})
_PLAIN_REFERENCE = re.compile(r"#(/(\$defs|definitions)/[^/]+)?")


def check_schema(schema: dict[str, Any], name: str) -> None:
    """Raise `InvalidRequest` (`invalid_schema`) for an invalid JSON Schema."""
    _checker(schema, name)


def _checker(schema: dict[str, Any], name: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import create
    from referencing import Registry

    try:
        Draft202012Validator.check_schema(schema)
        _check_patterns(schema)
    except (SchemaError, RecursionError, ValueError) as error:
        raise _unusable(name, error) from error
    validator = create(
        Draft202012Validator.META_SCHEMA,
        keywords(Draft202012Validator.VALIDATORS),
        type_checker=Draft202012Validator.TYPE_CHECKER,
        applicable_validators=in_order,
    )
    # An empty registry, because the default one fetches what references name.
    return validator(schema, registry=Registry())


def _check_patterns(schema: Any) -> None:
    """Raise `ValueError` for patterns that RE2 does not support, and for `patternProperties`."""
    # A reference may turn any part of the document into a schema, even an example.
    everywhere = any(not _PLAIN_REFERENCE.fullmatch(one) for one in _references(schema))
    for part in _parts(schema, everywhere):
        # Its keys are matched by Python's `re`, whose time may grow exponentially with the text.
        if "patternProperties" in part:
            raise ValueError("patternProperties cannot be checked")
        if isinstance(pattern := part.get("pattern"), str):
            _check_pattern(pattern)


def _check_pattern(pattern: str) -> None:
    import re2

    try:
        re2.compile(pattern)
    except re2.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression of RE2") from error


def _parts(schema: Any, everywhere: bool) -> Iterator[dict[str, Any]]:
    """Yield a schema and those inside it; with `everywhere` all objects."""
    if isinstance(schema, list):
        for part in schema:
            yield from _parts(part, everywhere)
    elif isinstance(schema, dict):
        yield schema
        for keyword, part in schema.items():
            if everywhere:
                yield from _parts(part, everywhere)
            elif keyword in _NAMED and isinstance(part, dict):
                yield from _parts(list(part.values()), everywhere)
            elif keyword not in _DATA:
                yield from _parts(part, everywhere)


def _references(schema: Any) -> Iterator[str]:
    for part in _parts(schema, everywhere=True):
        yield from (str(part[name]) for name in ("$ref", "$dynamicRef") if name in part)


def _unusable(name: str, error: Exception) -> InvalidRequest:
    reason = cut(str(getattr(error, "message", "") or error) or type(error).__name__)
    return InvalidRequest(f"The schema of {name} cannot be used: {reason}.", code=_UNUSABLE, path=name)
