"""Limits of events from all sources."""

from millrace.errors import InvalidRequest
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Payload
from millrace.pipelines.expressions.values import check_depth

LONGEST_ID = 256
"""The maximum number of characters in an event's id, source and type."""


def check_payload(payload: Payload) -> None:
    """Raise `InvalidRequest` for a payload that is nested too deeply to be encoded again."""
    try:
        check_depth(payload)
    except EvaluationError as error:
        raise InvalidRequest(error.message, code="invalid_event") from error
