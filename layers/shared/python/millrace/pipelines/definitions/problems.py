"""Mistakes in a definition, explained for its author: path, message and allowed values."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

from millrace.pipelines.definitions.destinations import TOPIC_ARN, URL
from millrace.pipelines.definitions.schedules import SCHEDULE, SHAPES

_WORDS = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is not known here.",
    "union_tag_not_found": "This field is required.",
    "union_tag_invalid": "`{tag}` is not known here; allowed are {expected_tags}.",
    "literal_error": "Allowed are {expected}.",
    "model_type": "This must be a JSON object.",
    "model_attributes_type": "This must be a JSON object.",
    "dict_type": "This must be a JSON object.",
    "list_type": "This must be a list.",
    "string_type": "This must be a text.",
    "int_type": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "float_type": "This must be a number.",
    "float_parsing": "This must be a number.",
}
_SHAPES = {
    URL: "An address begins with https:// (or is `${secrets.NAME}`).",
    TOPIC_ARN: "This should be the ARN of an SNS topic.",
    SCHEDULE: SHAPES,
}
"""Explanations of patterns, which mean little to people."""
_PLACES = ("line", "column")


def problem(data: Any, error: ErrorDetails) -> dict[str, Any]:
    """Return `{path, message}` for a pydantic error in `data`; for expressions also `line` and `column`."""
    context = error.get("ctx", {})
    path = _written(data, error["loc"], error["type"] == "missing")
    if "discriminator" in context:
        path.append(context["discriminator"].strip("'"))
    if "field" in context:
        path.append(context["field"])
    where = {name: context[name] for name in _PLACES if name in context}
    return {"path": ".".join(map(str, path)), "message": _message(error), **where}


def _message(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if context.get("pattern") in _SHAPES:
        return _SHAPES[context["pattern"]]
    if error["type"] in _WORDS:
        return _WORDS[error["type"]].format(**context)
    return error["msg"].removeprefix("Value error, ").replace("Input should", "This should", 1)


def _written(data: Any, location: Iterable[str | int], missing: bool) -> list[str | int]:
    """Return the location without the tags that pydantic adds for unions, as it is in the data."""
    path: list[str | int] = []
    parts = list(location)
    for at, part in enumerate(parts):
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif not (missing and at == len(parts) - 1):
            continue
        path.append(part)
    return path
