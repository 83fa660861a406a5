"""Answers of the command center, and alert rules."""

from pydantic import Field, RootModel

from millrace.api.schemas.base import JsonObject, Page, Shape
from millrace.domain import alerts
from millrace.domain.center_event_types import CommandCenterEvent as AnyCommandCenterEvent


class CommandCenterEvent(RootModel[AnyCommandCenterEvent]):
    """An event on the stream of the command center. Clients ignore unknown types."""

    root: AnyCommandCenterEvent = Field(discriminator="type")


class LiveRun(Shape):
    """An active run as its events have shown it; null if something is not known yet."""

    run_id: str
    agent_id: str
    agent_name: str
    conversation_id: str | None
    model: str
    status: str
    started_at: str
    last_event_at: str
    tokens: int | None
    cost: float | None
    tool: str | None = Field(description="the tool that is running")


class TriggeredAlert(Shape):
    """A triggered alert."""

    rule_id: str
    name: str
    triggered_at: str | None


class CommandCenterSnapshot(Shape):
    """The active runs and the triggered alerts. The stream continues after `since`."""

    since: int
    runs: list[LiveRun]
    alerts: list[TriggeredAlert]
    truncated: bool = Field(description="there are more than 1,000 runs")


class CommandCenterEventPage(Page[CommandCenterEvent]):
    """A page of events in the order in which they were recorded. It may be empty without being the last
    page."""


class AlertRule(alerts.AlertRule):
    """An alert rule."""


class RuleState(Shape):
    """The state of a rule. `alerts` is the number of alerts so far."""

    triggered: bool
    triggered_at: str | None
    alerts: int


class AlertRuleState(alerts.AlertRule):
    """An alert rule with its state."""

    state: RuleState


class AlertRulePage(Page[AlertRuleState]):
    """All alert rules, oldest first."""


class PastAlert(Shape):
    """An alert of a rule. `resolvedAt` is null while it is triggered; a value is null if nothing ran."""

    id: str
    triggered_at: str | None
    resolved_at: str | None
    threshold: float
    triggered_value: float | None
    resolved_value: float | None


class AlertHistoryPage(Page[PastAlert]):
    """A page of a rule's alerts, newest first."""


class MetricValue(Shape):
    """A metric at a time, over the window before it; null if nothing ran."""

    time: str
    value: float | None


class AlertMetricSeries(Shape):
    """A metric over time, as seen by rules with this window and these agents."""

    metric: alerts.Metric
    window: int
    agent_ids: list[str]
    since: str = Field(alias="from")
    until: str = Field(alias="to")
    points: list[MetricValue]


class AlertChanges(RootModel[JsonObject]):
    """The fields of a rule to change."""
