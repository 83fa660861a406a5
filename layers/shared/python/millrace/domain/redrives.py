"""Redrives: dead letters that are sent again, page by page, at a limited rate."""

from typing import Annotated, Any, Literal

from pydantic import Field

from millrace.domain.clock import from_iso, iso
from millrace.domain.wire import WireModel
from millrace.errors import Conflict, InvalidRequest

MAX_IDS = 100
PAGE_SECONDS = 10
"""A page is what may be sent in this many seconds."""

DeadLetterId = Annotated[str, Field(min_length=1, max_length=100)]
Place = Annotated[str, Field(pattern=r"^(step|destination):[0-9]{1,2}$")]
RedriveState = Literal["running", "done", "cancelled"]


class DeadLetterSelection(WireModel):
    """A selection of dead letters: those with these `ids`; or those of a `place` (`step:0`, `destination:1`),
    with a `code`, of events accepted `from` .. `to` (ISO 8601). All by default."""

    ids: Annotated[list[DeadLetterId], Field(max_length=MAX_IDS)] = Field(default_factory=list)
    place: Place | None = None
    code: Annotated[str, Field(max_length=100)] | None = None
    since: Annotated[str, Field(max_length=40)] | None = Field(default=None, alias="from")
    until: Annotated[str, Field(max_length=40)] | None = Field(default=None, alias="to")

    @property
    def names_some(self) -> bool:
        """Return whether it selects fewer than all of them."""
        return bool(self.ids or self.place or self.code or self.since or self.until)

    def times(self) -> tuple[int, int | None]:
        """Return the times in epoch milliseconds. Raises `InvalidRequest`."""
        since = from_iso(self.since) if self.since else 0
        until = from_iso(self.until) if self.until else None
        if until is not None and since >= until:
            raise InvalidRequest("`from` must be before `to`.", code="invalid_time")
        return max(since, 0), until


class RedriveRequest(DeadLetterSelection):
    """A request for a redrive. `version` selects the `current` definition, or for each dead letter its
    `original` one. `fromStep` starts at that step, with the event as it was when it failed."""

    version: Literal["current", "original"] = "current"
    from_step: Annotated[int, Field(ge=0, le=99)] | None = None
    per_second: Annotated[int, Field(ge=1, le=500)] = 50


class DeletionRequest(DeadLetterSelection):
    """A request to delete dead letters. `all` confirms that all are meant if nothing is selected."""

    all: bool = False


class Redrive(WireModel):
    """The progress of a redrive. `page` counts the pages, `after` is the last dead letter that was processed.
    `skipped` dead letters are kept, because the definition has no such step or destination, or no longer has
    it."""

    id: str
    state: RedriveState = "running"
    request: RedriveRequest
    created_at: int
    updated_at: int
    page: int = 0
    after: str = ""
    redriven: int = 0
    skipped: int = 0
    revision: int = 1

    def to_public(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "id": self.id,
            "state": self.state,
            "request": self.request.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "redriven": self.redriven,
            "skipped": self.skipped,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
        }

    def sent(self, redriven: int, skipped: int, after: str | None, now: int) -> "Redrive":
        """Return the redrive after a page; without `after` it was the last. A canceled redrive stays
        canceled."""
        over = after is None and self.state == "running"
        return self._next(
            state="done" if over else self.state,
            page=self.page + 1,
            after=after or self.after,
            redriven=self.redriven + redriven,
            skipped=self.skipped + skipped,
            updated_at=now,
        )

    def cancelled(self, now: int) -> "Redrive":
        """Return the canceled redrive. Raises `Conflict` if it has ended."""
        if self.state != "running":
            raise Conflict(f"The redrive is {self.state}.", code="redrive_over", state=self.state)
        return self._next(state="cancelled", updated_at=now)

    def _next(self, **changes: Any) -> "Redrive":
        return self.model_copy(update=changes | {"revision": self.revision + 1})
