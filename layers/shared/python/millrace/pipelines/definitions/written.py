"""Checks of what a user writes, as opposed to what is stored.

A rule that is added in a later release must never stop a pipeline that was accepted before it: definitions
from the store are read with `STORED` as context, and these checks do not look at them.
"""

from collections.abc import Callable
from typing import Any

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

STORED = "stored"


def is_stored(info: ValidationInfo) -> bool:
    """Return true while a definition from the store is read."""
    return info.context == STORED


def written(check: Callable[[Any], None]) -> AfterValidator:
    """Annotate a field with a check that raises; the value itself stays as it is."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        if value is not None and not is_stored(info):
            check(value)
        return value

    return AfterValidator(validate)


def misplaced(field: str, message: str) -> PydanticCustomError:
    """Return an error of a whole object that is shown at one of its fields, given as it is written."""
    return PydanticCustomError("misplaced", "{message}", {"message": message, "field": field})
