"""Exports: everything that is kept of a user, or of an organization, as zip archives, part by part."""

from typing import Any

from msgspec import Struct

from millrace.domain.clock import iso
from millrace.domain.stepwise import name_of

KEPT_MS = 7 * 24 * 3600 * 1000
"""An export can be downloaded until so long after it was asked for; then the bucket deletes it."""
EXPORTS = "exports/"
"""The bucket deletes what lies here after seven days."""
USER_STEPS = ("conversations", "shares", "memories", "files", "counts", "keys", "audit")
ORGANIZATION_STEPS = ("items", "objects")
EXCLUDED = {
    "tickets": "one-time tickets for streams, valid for minutes and stored as hashes",
    "secrets": "values of secrets, hashes of API keys, and headers of MCP servers and A2A agents, of which "
    "only the names are told",
    "exports": "this export and other ones, and erasures",
}
"""What no export has, with the reason."""


class Export(Struct, frozen=True):
    """An export under way, or done: of a user, or with an empty `user_id` of the organization. `step` and
    `cursor` say where it goes on. `parts` have `items` records and files, and `size` bytes. `until_ms`: the
    time before which no other process claims it; `tries`: how often the next part was begun."""

    id: str
    organization: str
    user_id: str
    created_by: str
    created_ms: int
    step: int = 0
    cursor: str = ""
    parts: int = 0
    items: int = 0
    size: int = 0
    until_ms: int = 0
    tries: int = 0
    version: int = 1
    done_ms: int | None = None
    deleted: bool = False

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the steps."""
        return USER_STEPS if self.user_id else ORGANIZATION_STEPS

    @property
    def step_name(self) -> str:
        """The step that comes next, or `done`."""
        return name_of(self.steps, self.step)

    @property
    def expires_ms(self) -> int:
        """The time from which it can be downloaded no more."""
        return self.created_ms + KEPT_MS

    @property
    def prefix(self) -> str:
        """The beginning of the keys of its objects."""
        return f"{EXPORTS}{self.organization}/{self.id}/"

    def to_wire(self) -> dict[str, Any]:
        """The export as admins see it."""
        return {
            "id": self.id,
            "userId": self.user_id or None,
            "state": "done" if self.done_ms else "running",
            "step": self.step_name,
            "items": self.items,
            "parts": self.parts,
            "size": self.size,
            "createdBy": self.created_by,
            "createdAt": iso(self.created_ms),
            "doneAt": iso(self.done_ms) if self.done_ms else None,
            "expiresAt": iso(self.expires_ms),
        }


class ExportPart(Struct, frozen=True):
    """A zip archive of an export: its number from 1 on, the key of its object, and its size in bytes."""

    number: int
    key: str
    size: int
