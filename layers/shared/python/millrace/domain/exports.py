"""Exports: everything that is stored about a user or an organization, as zip archives, part by part."""

from typing import Any

from msgspec import Struct

from millrace.domain.clock import iso
from millrace.domain.stepwise import name_of

KEPT_MS = 7 * 24 * 3600 * 1000
"""The time after its request for which an export can be downloaded; then the bucket deletes it."""
EXPORTS = "exports/"
"""The bucket deletes objects with this prefix after seven days."""
USER_STEPS = ("conversations", "shares", "memories", "files", "counts", "keys", "audit")
ORGANIZATION_STEPS = ("items", "objects")
EXCLUDED = {
    "tickets": "one-time tickets for streams, valid for minutes and stored as hashes",
    "secrets": "values of secrets, hashes of API keys, and headers of MCP servers and A2A agents, of which "
    "only the names are exported",
    "exports": "this export and other ones, and erasures",
}
"""Data that is not exported, with the reason."""


class Export(Struct, frozen=True):
    """An export, in progress or done: of a user or, with an empty `user_id`, of the organization.

    `step` and `cursor` say where it continues. `parts` have `items` records and files, and `size` bytes. No
    other process claims it before `until_ms`. `tries` is the number of times that the next part was started.
    """

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
        """The name of the next step, or `done`."""
        return name_of(self.steps, self.step)

    @property
    def expires_ms(self) -> int:
        """The time until which it can be downloaded."""
        return self.created_ms + KEPT_MS

    @property
    def prefix(self) -> str:
        """The prefix of the keys of its objects."""
        return f"{EXPORTS}{self.organization}/{self.id}/"

    def to_wire(self) -> dict[str, Any]:
        """Return the export as admins see it."""
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
    """A zip archive of an export: its number from 1, the key of its object, and its size in bytes."""

    number: int
    key: str
    size: int
