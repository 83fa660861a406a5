"""The command center's events: their types, their visibility, and viewers' filters."""

from msgspec import Struct

from millrace.domain.events import Event
from millrace.errors import InvalidRequest

ENDS = frozenset({"run:completed", "run:error"})
DELETED = "run:deleted"
EVENT_TYPES = (
    "run:started",
    "run:status_changed",
    "run:progress",
    "run:tool_started",
    "run:tool_completed",
    "run:llm_call",
    "run:memory_op",
    "run:completed",
    "run:error",
    DELETED,
    "approval:requested",
    "approval:answered",
    "alert:triggered",
    "alert:resolved",
    "pipeline:backpressure",
)
TEXTS = ("result", "query", "text", "arguments", "prompt", "reason")
"""The fields of events that repeat content of a run."""
MAX_NAMES = 100


def center_stream(organization: str) -> str:
    """Return the event-log stream of an organization's command center."""
    return f"{organization}#center"


class Filters(Struct, frozen=True):
    """A viewer's filters. An empty set admits everything."""

    agent_ids: frozenset[str] = frozenset()
    event_types: frozenset[str] = frozenset()
    run_ids: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, agent_ids: str, event_types: str, run_ids: str) -> "Filters":
        """Parse comma-separated lists. Raises `InvalidRequest` for an unknown type or too many names."""
        types = _names("eventTypes", event_types)
        unknown = sorted(types.difference(EVENT_TYPES))
        if unknown:
            raise InvalidRequest(
                f"Unknown event types: {', '.join(unknown)}. Known: {', '.join(EVENT_TYPES)}.",
                code="unknown_event_type",
            )
        return cls(_names("agentIds", agent_ids), types, _names("runIds", run_ids))

    def admit(self, event: Event) -> bool:
        """Return whether the filters admit an event. An alert concerns the agents that its rule names, or
        every agent if it names none, and a single run only if it names one."""
        if self.event_types and event["type"] not in self.event_types:
            return False
        if self.run_ids and event.get("runId") not in self.run_ids:
            return False
        return not self.agent_ids or self._concerns_agents(event)

    def admits_run(self, run: Event) -> bool:
        """Return whether the filters admit a run of the snapshot, regardless of types."""
        wanted = not self.run_ids or run["runId"] in self.run_ids
        return wanted and (not self.agent_ids or run["agentId"] in self.agent_ids)

    def _concerns_agents(self, event: Event) -> bool:
        if "alert" in event:
            named = event["alert"]["agentIds"]
            return not named or not self.agent_ids.isdisjoint(named)
        return event.get("agentId") in self.agent_ids


def _names(parameter: str, text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if len(names) > MAX_NAMES:
        raise InvalidRequest(f"{parameter} must not have more than {MAX_NAMES} names.", code="invalid_query")
    return names
