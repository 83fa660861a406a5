"""Results of deliveries: one for each event, and a report on all events of one call."""

from msgspec import Struct

from millrace.errors import MillraceError, Throttled, is_transient

BODY_SHOWN = 1024
THROTTLED = "throttled"
"""The code of failures that request a lower rate."""


class Unsendable(Exception):
    """This event can never be sent to this destination, for the reason in `message`, which must not contain
    secrets."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Failure(Struct, frozen=True):
    """A failure. `code` is a stable word; `status` and `body` come from the server, if it answered.

    `retry_after` is the wait in seconds that the server requested.
    """

    code: str
    message: str
    status: int | None = None
    body: str = ""
    retry_after: float | None = None


class Delivered(Struct, frozen=True):
    """The event arrived, now or before."""


class Retry(Struct, frozen=True):
    """The event did not arrive, but may do so later."""

    failure: Failure


class Dead(Struct, frozen=True):
    """The event will never arrive, however often it is sent."""

    failure: Failure


class Wait(Struct, frozen=True):
    """The event was not sent yet, and has to wait for `wait_ms`. This does not count as an attempt."""

    wait_ms: int


DeliveryResult = Delivered | Retry | Dead | Wait
DELIVERED = Delivered()


class SendReport(Struct):
    """The results of one call of a sender, one for each event in the same order.

    `succeeded` and `failed` count requests. `gone` means that the destination answered 410, and `limited`
    that some events had to wait for a rate limit.
    """

    results: list[DeliveryResult]
    succeeded: int = 0
    failed: int = 0
    gone: bool = False
    limited: bool = False

    @property
    def waiting(self) -> list[int]:
        """Positions of the events that have to wait."""
        return [n for n, result in enumerate(self.results) if isinstance(result, Wait)]

    def replace(self, positions: list[int], report: "SendReport") -> None:
        """Merge the report of another call for the events at these positions."""
        for n, result in zip(positions, report.results, strict=True):
            self.results[n] = result
        self.succeeded += report.succeeded
        self.failed += report.failed
        self.gone = self.gone or report.gone
        self.limited = report.limited

    @property
    def failure(self) -> Failure | None:
        """The last failure, if there is any."""
        return next(
            (result.failure for result in reversed(self.results) if isinstance(result, Retry | Dead)), None
        )


def result_of_error(error: Exception) -> DeliveryResult:
    """Return the result of an event whose sending raised an error.

    Transient errors of AWS and of this machine are raised again: nothing is known about any event then, and
    the whole message has to be repeated.
    """
    if isinstance(error, Unsendable):
        return Dead(Failure(error.code, error.message))
    if isinstance(error, Throttled):
        return Retry(Failure(THROTTLED, error.message))
    if isinstance(error, MillraceError) and error.retryable:
        return Retry(Failure("unreachable", error.message))
    if isinstance(error, MillraceError):
        return Dead(Failure(error.code, error.message))
    if is_transient(error):
        raise error
    # The exception's own message may contain a credential or a customer's data.
    message = f"The event could not be sent: unexpected {type(error).__name__}."
    return Dead(Failure("unexpected_error", message))
