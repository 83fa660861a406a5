"""Detection of writes that botocore repeated after a lost answer.

The condition refuses the second attempt because of what the first one has written.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_PLAIN = re.compile(r"SET (\w+ = :\w+(?:, \w+ = :\w+)*)(?: REMOVE (\w+(?:, \w+)*))?")
"""An update that computes nothing, so that the item alone shows whether it was applied."""

Write = Mapping[str, Mapping[str, Any]]
Attributes = Mapping[str, Mapping[str, Any]]


def retries_of(answer: Mapping[str, Any]) -> int:
    """Return how often the client sent a request again by itself before this answer."""
    return int(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def was_applied(write: Write, refusal: Mapping[str, Any]) -> bool:
    """Return whether an earlier attempt applied a write that was sent again and that a condition has refused.

    `refusal` is DynamoDB's answer with the current item.
    """
    ((kind, parameters),) = write.items()
    found: Attributes = refusal.get("Item") or {}
    if kind == "Update":
        return _is_updated(parameters, found)
    return _is_same(parameters.get("Item", {}), found)


def _is_updated(parameters: Mapping[str, Any], found: Attributes) -> bool:
    plain = _PLAIN.fullmatch(parameters["UpdateExpression"])
    if plain is None:
        return False
    values = parameters["ExpressionAttributeValues"]
    names = dict(one.split(" = ") for one in plain[1].split(", "))
    removed = plain[2].split(", ") if plain[2] else []
    wanted = {name: values[value] for name, value in names.items()}
    return _is_same(wanted, {name: found[name] for name in wanted if name in found}) and not any(
        name in found for name in removed
    )


def _is_same(wanted: Attributes, found: Attributes) -> bool:
    return {name: _comparable(value) for name, value in wanted.items()} == {
        name: _comparable(value) for name, value in found.items()
    }


def _comparable(attribute: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, value),) = attribute.items()
    # DynamoDB returns numbers in its own format.
    return kind, Decimal(value) if kind == "N" else value
