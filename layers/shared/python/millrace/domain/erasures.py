"""Erasures: the deletion of everything that belongs to a user or an organization, step by step."""

from typing import Any, Literal

from msgspec import Struct

from millrace.domain.clock import iso
from millrace.domain.stepwise import name_of

State = Literal["running", "done"]
QUIET_MS = 20 * 60 * 1000
"""The time after which active functions have ended, and queues have delivered their messages; longer than
both."""
USER_STEPS = ("conversations", "shares", "memories", "files", "exports", "counts")
ORGANIZATION_STEPS = ("conversations", "schedules", "quiet", "objects", "items")
"""The last two are repeated after a waiting time until they find nothing."""


class Erasure(Struct, frozen=True):
    """An erasure, in progress or done: of a user or, with an empty `user_id`, of the organization.

    `step` and `cursor` say where it continues. `removed` counts what it has deleted, `found` what the current
    pass of an organization's erasure has found. No other process claims it before `until_ms`.
    """

    organization: str
    user_id: str
    created_by: str
    created_ms: int
    step: int = 0
    cursor: str = ""
    removed: int = 0
    found: int = 0
    quiet_until_ms: int = 0
    until_ms: int = 0
    version: int = 1
    done_ms: int | None = None

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the steps."""
        return USER_STEPS if self.user_id else ORGANIZATION_STEPS

    @property
    def step_name(self) -> str:
        """The name of the next step, or `done`."""
        return name_of(self.steps, self.step)

    def to_wire(self) -> dict[str, Any]:
        """Return the erasure as admins see it."""
        return {
            "userId": self.user_id or None,
            "state": "done" if self.done_ms else "running",
            "step": "done" if self.done_ms else self.step_name,
            "removed": self.removed,
            "createdBy": self.created_by,
            "createdAt": iso(self.created_ms),
            "doneAt": iso(self.done_ms) if self.done_ms else None,
        }
