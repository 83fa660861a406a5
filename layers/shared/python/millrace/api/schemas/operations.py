"""Answers about the operation of pipelines: dead letters, redrives, checkpoints, destinations, secrets."""

from typing import Literal

from pydantic import ConfigDict, Field

from millrace.api.schemas.base import JsonObject, Listing, Page, Shape


class LetterError(Shape):
    """The reason for a dead letter."""

    code: str
    message: str


class DeadLetter(Shape):
    """An event that could not be processed or delivered."""

    id: str
    place: str = Field(description="`step:<n>` or `destination:<n>`")
    version: int = Field(description="the definition's version")
    accepted_at: str
    error: LetterError
    attempts: int
    status: int | None = Field(description="the HTTP status of the last answer")
    body: str | None = Field(description="the beginning of the last answer")
    payload_bytes: int | None
    event: JsonObject


class DeadLetterPage(Page[DeadLetter]):
    """A page of dead letters, oldest first."""


class DeadLetterCount(Shape):
    """Counts of dead letters; there are more unless `complete`."""

    count: int
    complete: bool
    places: dict[str, int]
    codes: dict[str, int]


class DeadLetterGroup(Shape):
    """The dead letters of a place with the same error. A page covers only a part of all dead letters: later
    pages may continue a group, whose counts are then to be added."""

    place: str = Field(description="`step:<n>` or `destination:<n>`")
    code: str
    count: int
    message: str = Field(description="the message of the latest one")
    statuses: dict[str, int] = Field(description="the number of dead letters with each HTTP status")
    first_at: str = Field(description="when the first of their events was accepted")
    last_at: str
    latest_id: str


class DeadLetterGroupPage(Page[DeadLetterGroup]):
    """Groups of dead letters, largest first."""


class DeletedDeadLetters(Shape):
    """The number of deleted dead letters; with `more` there are others."""

    deleted: int
    more: bool


class Redrive(Shape):
    """A redrive of dead letters. `skipped` ones are kept, as the definition has no such step or
    destination."""

    id: str
    state: Literal["running", "done", "cancelled"]
    request: JsonObject = Field(description="the fields of the request")
    redriven: int
    skipped: int
    created_at: str
    updated_at: str


class RedriveProgress(Redrive):
    """A redrive with the number of those left; there are more unless `leftComplete`."""

    left: int
    left_complete: bool


class RedrivePage(Listing[Redrive]):
    """The latest hundred redrives, newest first."""


class Checkpoint(Shape):
    """A time in the journal, and the version that was current then."""

    id: str
    time: str
    version: int
    created_at: str


class CheckpointPage(Listing[Checkpoint]):
    """The latest hundred checkpoints, newest first."""


class Replay(Shape):
    """Events that are processed again with a version: those accepted from `from` until before `to`."""

    since: str = Field(alias="from")
    until: str = Field(alias="to")
    version: int


class ReplayRequest(Shape):
    """The events to process again; by default up to now, with the current version."""

    model_config = ConfigDict(extra="forbid")

    since: str = Field(alias="from")
    until: str | None = Field(default=None, alias="to")
    version: int | None = None


class DryRunRequest(Shape):
    """The definition and the events to try; by default the current definition, and the latest recorded
    events."""

    model_config = ConfigDict(extra="forbid")

    definition: JsonObject | None = None
    events: list[JsonObject] | None = Field(default=None, min_length=1, max_length=200)


class DefinitionDryRun(Shape):
    """The definition and the events to try it on."""

    model_config = ConfigDict(extra="forbid")

    definition: JsonObject
    events: list[JsonObject] = Field(min_length=1, max_length=200)


class DryRunStep(Shape):
    """The effect of a step on an event."""

    step: int
    type: str
    did: Literal["passed", "mapped", "dropped", "split", "held", "late", "failed"]
    payloads: list[JsonObject] | None = None
    error: str | None = None


class DryRunEvent(Shape):
    """The effects of all steps on an event, and the output."""

    id: str
    steps: list[DryRunStep]
    outputs: list[JsonObject]


class DryRun(Shape):
    """The effects of a pipeline on events; `outputs` include those of windows and batches."""

    events: list[DryRunEvent]
    outputs: list[JsonObject]


class Requests(Shape):
    """Counts of requests."""

    succeeded: int
    failed: int


class Destination(Shape):
    """A destination. If `closed` it receives everything, if `open` nothing until `until`, if `half_open` one
    event at a time, if `disabled` nothing."""

    destination: int
    name: str | None
    type: str
    state: Literal["closed", "open", "half_open", "disabled"]
    since: str | None
    until: str | None
    reason: str | None
    requests: Requests
    rate_limit: JsonObject | None


class DestinationPage(Listing[Destination]):
    """All destinations of the current definition, in order."""


class DestinationTestResult(Shape):
    """The outcome of a test event, with the destination's own answer if there was one."""

    destination: int
    outcome: str
    code: str | None
    message: str | None
    status: int | None = None
    body: str | None = None
    event_id: str | None = None
    duration_ms: int


class Secret(Shape):
    """The name of a secret and the hosts that it may be sent to. Its value is never returned."""

    name: str
    hosts: list[str]
    updated_at: str


class NewSecret(Shape):
    """The value of a secret, and the 1 to 20 hosts that it may be sent to."""

    model_config = ConfigDict(extra="forbid")

    value: str
    hosts: list[str]


class SecretPage(Page[Secret]):
    """A page of secrets, by name."""
