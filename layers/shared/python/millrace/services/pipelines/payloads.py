"""Limits of events, wherever they come from."""

from millrace.errors import InvalidRequest
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Payload
from millrace.pipelines.expressions.values import check_depth

LONGEST_ID = 256
"""Characters of an event's id, source and type."""


def check_payload(payload: Payload) -> None:
    """Raises `InvalidRequest` for one that is nested too deeply to be written again."""
    try:
        check_depth(payload)
    except EvaluationError as error:
        raise InvalidRequest(error.message, code="invalid_event") from error
