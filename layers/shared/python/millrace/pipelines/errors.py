"""Errors of pipelines.

InvalidExpression   422, when a definition is written: has line and column (both from 1)
EvaluationError     one event cannot be evaluated; the step's `onError` decides what happens to it
"""

import logging
import traceback

from millrace.errors import InvalidRequest, MillraceError, Unavailable

log = logging.getLogger(__name__)


class InvalidExpression(InvalidRequest):
    """A mistake in an expression, template or pattern. The message says how to correct it."""

    code = "invalid_expression"

    def __init__(self, message: str, *, source: str = "", offset: int = 0) -> None:
        before = source[:offset]
        self.line = before.count("\n") + 1
        self.column = offset - (before.rfind("\n") + 1) + 1
        self.reason = message
        super().__init__(
            f"{message} (line {self.line}, column {self.column})", line=self.line, column=self.column
        )


class EvaluationError(MillraceError):
    """An event has a value that an expression or step cannot process."""

    status = 422
    code = "evaluation_failed"


class Contended(Unavailable):
    """A register changed during every attempt to write it. The message is its key."""

    code = "contended"


def unexpected(error: Exception) -> EvaluationError:
    """Return the error for an event's dead letter after an unexpected exception.

    The log has the location. The exception's message may contain values of the event, so it is not included.
    """
    if isinstance(error, EvaluationError):
        return error
    if isinstance(error, MillraceError):
        return EvaluationError(error.message, code=error.code)
    name = type(error).__name__
    last = traceback.extract_tb(error.__traceback__)[-1:]
    log.error("an event failed: %s at %s", name, ", ".join(f"{at.filename}:{at.lineno}" for at in last))
    return EvaluationError(f"The event could not be processed: unexpected {name}.", code="unexpected_error")
