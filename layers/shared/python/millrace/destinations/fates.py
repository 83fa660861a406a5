"""What became of an event that was to be delivered."""

from dataclasses import dataclass

BODY_SHOWN = 1024
THROTTLED = "throttled"
"""The code of failures that ask for fewer requests."""


class Unsendable(Exception):
    """This event can never be sent to this destination, as `message` says. Nothing secret may be in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` is a stable word; `status` and `body` are the server's, where it answered. `retry_after` is what
    it asked for, in seconds."""

    code: str
    message: str
    status: int | None = None
    body: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """It arrived, or had arrived before."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It did not arrive now; the same may succeed later."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Dead:
    """It will not arrive, however often it is sent."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Wait:
    """It was not sent yet: not its turn before `wait_ms` are over. This is no attempt."""

    wait_ms: int


Fate = Delivered | Retry | Dead | Wait
DELIVERED = Delivered()


@dataclass(slots=True)
class Sent:
    """What came of sending: one fate per event, in their order; how many requests worked and failed; whether
    the destination said that it is gone for good; whether some had to wait for a rate limit."""

    fates: list[Fate]
    succeeded: int = 0
    failed: int = 0
    gone: bool = False
    limited: bool = False

    @property
    def failure(self) -> Failure | None:
        """The last of them, if any failed."""
        return next((fate.failure for fate in reversed(self.fates) if isinstance(fate, Retry | Dead)), None)


def unsendable(error: Unsendable) -> Dead:
    """The fate of an event that raised."""
    return Dead(Failure(error.code, error.message))
