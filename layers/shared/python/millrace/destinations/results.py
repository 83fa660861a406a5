"""Results of deliveries: one for each event, and a report on all events of one call."""

from msgspec import Struct

from millrace.errors import MillraceError, Throttled, is_transient

BODY_SHOWN = 1024
THROTTLED = "throttled"
"""The code of failures that ask for fewer requests."""


class Unsendable(Exception):
    """This event can never be sent to this destination, as `message` says. Nothing secret may be in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Failure(Struct, frozen=True):
    """`code` is a stable word; `status` and `body` are the server's, where it answered. `retry_after` is what
    it asked for, in seconds."""

    code: str
    message: str
    status: int | None = None
    body: str = ""
    retry_after: float | None = None


class Delivered(Struct, frozen=True):
    """It arrived, or had arrived before."""


class Retry(Struct, frozen=True):
    """It did not arrive now; the same may succeed later."""

    failure: Failure


class Dead(Struct, frozen=True):
    """It will not arrive, however often it is sent."""

    failure: Failure


class Wait(Struct, frozen=True):
    """It was not sent yet: not its turn before `wait_ms` are over. This is no attempt."""

    wait_ms: int


DeliveryResult = Delivered | Retry | Dead | Wait
DELIVERED = Delivered()


class SendReport(Struct):
    """The results of one call to a sender: one per event, in their order; how many requests succeeded and
    failed; `gone` if the destination answered 410; `limited` if some events had to wait for a rate limit."""

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
        """Take over the report of another call, of the events at these positions."""
        for n, result in zip(positions, report.results, strict=True):
            self.results[n] = result
        self.succeeded += report.succeeded
        self.failed += report.failed
        self.gone = self.gone or report.gone
        self.limited = report.limited

    @property
    def failure(self) -> Failure | None:
        """The last of them, if any failed."""
        return next(
            (result.failure for result in reversed(self.results) if isinstance(result, Retry | Dead)), None
        )


def result_of_error(error: Exception) -> DeliveryResult:
    """Return the result of an event whose sending raised. Raises transient errors of AWS and of this machine
    again: then nothing is known of any event, and the whole message has to come again."""
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
    # Its own message may hold a credential or a customer's data.
    message = f"The event could not be sent: unexpected {type(error).__name__}."
    return Dead(Failure("unexpected_error", message))
