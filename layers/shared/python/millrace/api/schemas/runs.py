"""Answers about runs."""

from pydantic import Field, RootModel

from millrace.api.schemas.base import Listing, Page, Shape
from millrace.domain.center_event_types import RunModelCallEvent, RunView
from millrace.domain.event_types import RunEvent as AnyRunEvent


class RunEvent(RootModel[AnyRunEvent]):
    """An event on the stream of a run or a conversation. Clients ignore unknown types."""

    root: AnyRunEvent = Field(discriminator="type")


class Run(RootModel[RunView]):
    """A run: one answer of an agent, or one execution of a flow."""


class RunPage(Page[Run]):
    """A page of runs, latest first. It may be empty without being the last page."""


class TimedEvent(Shape):
    """An event of a run as its viewer sees it, with its time (null in logs of earlier releases)."""

    id: str = Field(description="`<runId>.<number>`, as on the run's stream")
    time: str | None
    event: RunEvent


class TimedEventPage(Page[TimedEvent]):
    """A page of a run's events, oldest first. It may be empty without being the last page. An active run may
    have more events later."""


class ModelCallList(Listing[RunModelCallEvent]):
    """The latest model calls of a run, including those of its sub-agents, oldest first."""
