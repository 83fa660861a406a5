"""Pipelines of an organization: their states, and the transitions between them.

created --start--> running <--pause / resume--> paused running, paused --stop--> stopped (final)
"""

import re
from typing import Any, Literal, get_args

from millrace.domain.wire import WireModel
from millrace.errors import Conflict, InvalidRequest

PipelineState = Literal["created", "running", "paused", "stopped"]
Action = Literal["start", "pause", "resume", "stop"]
ACTIONS: tuple[Action, ...] = get_args(Action)
Address = tuple[str, str]
"""Organization and pipeline."""

MAX_PIPELINES = 100
_CHOSEN = re.compile(r"(?!pipeline_)[a-z0-9][a-z0-9_-]{0,39}")
MAX_DEFINITION_BYTES = 32 * 1024

_NEXT: dict[tuple[PipelineState, Action], PipelineState] = {
    ("created", "start"): "running",
    ("running", "pause"): "paused",
    ("paused", "resume"): "running",
    ("running", "stop"): "stopped",
    ("paused", "stop"): "stopped",
}


class Pipeline(WireModel):
    """A pipeline with its current definition, as its author wrote it. `version` counts definitions,
    `revision` every change of the item. Until `hold_until` (epoch ms) windows wait for events that arrived
    while the pipeline was paused."""

    id: str
    state: PipelineState = "created"
    version: int = 1
    revision: int = 1
    definition: dict[str, Any]
    created_at: str
    updated_at: str
    state_since: str
    hold_until: int = 0

    def to_public(self) -> dict[str, Any]:
        """Return the JSON object for clients: the definition and the state."""
        return self.definition | {
            "id": self.id,
            "state": self.state,
            "version": self.version,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "stateSince": self.state_since,
        }

    @property
    def source_type(self) -> str:
        return str(self.definition["source"]["type"])

    @property
    def accepts_events(self) -> bool:
        """True while the pipeline accepts events. A paused one keeps them until it is resumed."""
        return self.state in ("running", "paused")

    def waits(self, now: int) -> bool:
        """Return whether its windows must not fire now."""
        return self.state == "paused" or (self.state == "running" and self.hold_until > now)


def check_chosen_id(pipeline_id: str, by_address: bool) -> None:
    """Raise an error if a client may not choose this id.

    A webhook's address is found by the id alone, whichever organization owns the pipeline. So the server
    assigns the ids of pipelines whose sources are reached `by_address`.
    """
    if not _CHOSEN.fullmatch(pipeline_id):
        raise InvalidRequest(
            "An id must have 1 to 40 of a-z 0-9 _ - and must not begin with `pipeline_`.",
            code="invalid_id",
        )
    if by_address:
        raise InvalidRequest(
            "source.type: the server assigns the id of a pipeline with a webhook source; create it with "
            "POST.",
            code="invalid_id",
        )


def allowed(state: PipelineState) -> list[Action]:
    """Return the actions that this state allows."""
    return [action for action in ACTIONS if (state, action) in _NEXT]


def after(state: PipelineState, action: Action) -> PipelineState:
    """Return the state after an action. Raises `Conflict` that names the allowed actions."""
    if (state, action) not in _NEXT:
        can = allowed(state)
        hint = f"allowed now: {', '.join(can)}" if can else "create a new one with the same definition"
        raise Conflict(
            f"The pipeline is {state}, so it cannot {action}; {hint}.",
            code="invalid_transition",
            state=state,
            allowed=can,
        )
    return _NEXT[state, action]


def check_deletable(state: PipelineState) -> None:
    """Raise `Conflict` if the pipeline accepts events."""
    if state in ("running", "paused"):
        raise Conflict(
            f"The pipeline is {state}: stop it first.",
            code="pipeline_active",
            state=state,
            allowed=allowed(state),
        )
