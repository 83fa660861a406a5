"""Alert rules: what is measured, when an alert is triggered, and when it is resolved.

There is a margin between the two thresholds (hysteresis), so that a metric which hovers around one of them
does not trigger and resolve the alert repeatedly.
"""

from typing import Annotated, Any, Literal

from msgspec import Struct
from pydantic import Field, ValidationInfo, model_validator

from millrace.domain.replacement import ManagedBy
from millrace.domain.wire import WireModel

Metric = Literal["error_rate", "cost", "latency_p95", "tokens", "stuck_run", "backpressure"]
Op = Literal["gt", "gte", "lt", "lte"]
# Without a threshold of its own, an alert is resolved 10 % beyond the threshold that triggers it.
MARGIN = 0.1
STORED = "stored"
"""The validation context of a stored rule, which may have been accepted by fewer checks."""
MIN_WINDOW_MS, MAX_WINDOW_MS = 10_000, 3_600_000
MAX_RULES = 100
AgentId = Annotated[str, Field(min_length=1, max_length=128)]


class AlertSettings(WireModel):
    """The settings of an alert rule. Units of the thresholds: `error_rate` 0 to 1, `cost` US dollars,
    `latency_p95` milliseconds, `tokens` a sum, `stuck_run` the seconds for which an active run has been
    silent, `backpressure` 0 to 1. `window` is in milliseconds."""

    name: str = Field(min_length=1, max_length=120)
    metric: Metric
    op: Op = "gt"
    threshold: float = Field(ge=0, le=1e12, allow_inf_nan=False)
    resolve_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1e12,
        allow_inf_nan=False,
        description="resolved beyond this value; default: 10 % off",
    )
    window: int = Field(default=300_000, ge=MIN_WINDOW_MS, le=MAX_WINDOW_MS)
    agent_ids: list[AgentId] = Field(default_factory=list, max_length=100)
    enabled: bool = True
    managed_by: ManagedBy = ""

    @model_validator(mode="after")
    def _resolves_on_the_right_side(self) -> "AlertSettings":
        back = self.resolve_threshold
        if back is not None and (back > self.threshold if self.triggers_above else back < self.threshold):
            raise ValueError("resolveThreshold must lie on the healthy side of threshold")
        return self

    @model_validator(mode="after")
    def _can_trigger(self, info: ValidationInfo) -> "AlertSettings":
        """Check that the threshold can be exceeded: a rate above 1 or below 0 never occurs. Stored rules are
        not checked."""
        share = self.metric in ("error_rate", "backpressure")
        beyond = self.triggers_above and (self.threshold > 1 or (self.threshold == 1 and self.op == "gt"))
        below = self.threshold == 0 and self.op == "lt"
        if info.context != STORED and ((share and beyond) or below):
            raise ValueError(f"threshold: {self.metric} {self.op} {self.threshold:g} never triggers")
        return self

    @property
    def triggers_above(self) -> bool:
        """True if the rule triggers on high values."""
        return self.op in ("gt", "gte")

    @property
    def resolve_value(self) -> float:
        """The value that resolves the alert."""
        if self.resolve_threshold is not None:
            return self.resolve_threshold
        return self.threshold * (1 - MARGIN if self.triggers_above else 1 + MARGIN)


class AlertReplacement(AlertSettings):
    """A rule as GET returns it, with edits; `id`, `createdAt`, `updatedAt` and `state` are ignored."""

    id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    state: dict[str, Any] | None = None


class AlertRule(AlertSettings):
    """A rule of an organization."""

    id: str
    created_at: str
    updated_at: str


class AlertState(Struct, frozen=True):
    """The state of a rule. `count` is the number of its alerts; `version` detects concurrent writers.
    `unannounced` is the last event until it has been published on the bus."""

    triggered: bool = False
    count: int = 0
    version: int = 0
    triggered_at: str | None = None
    unannounced: str | None = None


def is_triggered(rule: AlertSettings, value: float | None, triggered: bool) -> bool:
    """Return whether a rule is triggered at this value. A triggered rule stays triggered until the value
    returns to `resolve_value`; without a value (nothing ran) it is not triggered."""
    if value is None:
        return False
    if not triggered:
        return _compare(rule.op, value, rule.threshold)
    if rule.resolve_value == rule.threshold:
        return _compare(rule.op, value, rule.threshold)
    return value > rule.resolve_value if rule.triggers_above else value < rule.resolve_value


def _compare(op: Op, value: float, threshold: float) -> bool:
    beyond = value > threshold if op in ("gt", "gte") else value < threshold
    return beyond or (op in ("gte", "lte") and value == threshold)


def alert_to_wire(rule: AlertRule, state: AlertState, value: float | None, at: str) -> dict[str, Any]:
    """Return the `alert` of an event; `id` identifies this alert of the rule."""
    return {
        "id": f"{rule.id}:{state.count}",
        "ruleId": rule.id,
        "name": rule.name,
        "metric": rule.metric,
        "op": rule.op,
        "threshold": rule.threshold,
        "window": rule.window,
        "agentIds": rule.agent_ids,
        "value": value,
        "state": "triggered" if state.triggered else "resolved",
        "triggeredAt": state.triggered_at,
        "resolvedAt": None if state.triggered else at,
    }
