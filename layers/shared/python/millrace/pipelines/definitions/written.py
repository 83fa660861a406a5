"""Validation of new definitions, as opposed to stored ones.

A rule added in a later release must never stop a pipeline that was accepted before. Stored definitions are
read with `STORED` as the context, and skip these checks.
"""

from collections.abc import Callable
from typing import Any

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

STORED = "stored"


def is_stored(info: ValidationInfo) -> bool:
    """Return whether a stored definition is being read."""
    return info.context == STORED


def written(check: Callable[[Any], None]) -> AfterValidator:
    """Annotate a field with a check that may raise. The value itself stays unchanged."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        if value is not None and not is_stored(info):
            check(value)
        return value

    return AfterValidator(validate)


def misplaced(field: str, message: str) -> PydanticCustomError:
    """Return an error of a whole object that is reported at one of its fields, named as in the JSON."""
    return PydanticCustomError("misplaced", "{message}", {"message": message, "field": field})
