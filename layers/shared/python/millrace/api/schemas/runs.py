"""Answers about runs."""

from pydantic import Field, RootModel

from millrace.api.schemas.base import Listing, Page, Shape
from millrace.domain.center_event_types import RunModelCallEvent, RunView
from millrace.domain.event_types import RunEvent as AnyRunEvent


class RunEvent(RootModel[AnyRunEvent]):
    """An event on the stream of a run or of a conversation. Clients ignore types that they do not know."""

    root: AnyRunEvent = Field(discriminator="type")


class Run(RootModel[RunView]):
    """A run: one answer of an agent, or one execution of a flow."""


class RunPage(Page[Run]):
    """A page of runs, latest first. It may hold no runs and not be the last."""


class TimedEvent(Shape):
    """An event of a run as its viewer sees it, and when it was made (null in logs older than times)."""

    id: str = Field(description="`<runId>.<number>`, as on the run's stream")
    time: str | None
    event: RunEvent


class TimedEventPage(Page[TimedEvent]):
    """A page of a run's events, oldest first. It may hold no events and not be the last. A run that has not
    ended may have more later."""


class ModelCallList(Listing[RunModelCallEvent]):
    """The latest model calls of a run, those of its sub-agents included, oldest first."""
