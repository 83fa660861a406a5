"""The command center: every run of the organization as it happens, and alerts."""

from collections.abc import Collection, Mapping
from typing import Any

from millrace.api.schemas.command_center import (
    AlertHistoryPage,
    AlertMetricSeries,
    AlertRule,
    AlertRulePage,
    AlertRuleState,
    CommandCenterSnapshot,
    PastAlert,
)
from millrace.client.answers import json_page, model, nothing
from millrace.client.calls import Call, Request, given, path
from millrace.client.follow import Cursor
from millrace.client.naming import body
from millrace.client.operations import (
    IO,
    Listing,
    Resource,
    Watch,
    event_stream,
    listing,
    operation,
)
from millrace.client.resources.plans import again
from millrace.domain.alerts import AlertSettings
from millrace.domain.center_event_types import CommandCenterEvent

BASE = "/api/command-center"
Names = Collection[str]
Settings = AlertSettings | Mapping[str, Any] | None


class CommandCenter(Resource[IO]):
    """`client.command_center`"""

    @operation
    def snapshot(
        self, *, agent_ids: Names = (), event_types: Names = (), run_ids: Names = ()
    ) -> Call[CommandCenterSnapshot]:
        """Read the active runs and the triggered alerts; continue with a stream after its `since`."""
        query = _filters(agent_ids, event_types, run_ids)
        return Call(Request("GET", BASE + "/snapshot", query), model(CommandCenterSnapshot))

    @event_stream
    def stream(
        self,
        *,
        agent_ids: Names = (),
        event_types: Names = (),
        run_ids: Names = (),
        since: int | str | None = None,
    ) -> Watch[CommandCenterEvent]:
        """Stream events, from now on or after an event, until you close it. `resync` means that events are
        missing: take a new snapshot."""
        query = _filters(agent_ids, event_types, run_ids)
        last = None if since is None else str(since)
        return Watch(again(Request("GET", BASE + "/stream", query)), Cursor(last_id=last))

    @listing
    def events(
        self,
        *,
        agent_ids: Names = (),
        event_types: Names = (),
        run_ids: Names = (),
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> Listing[CommandCenterEvent]:
        """List the events of the last 24 hours, oldest first; times are ISO 8601."""
        query = _filters(agent_ids, event_types, run_ids) | given(limit=limit, until=until)
        if since is not None:
            query["from"] = since
        return Listing(Request("GET", BASE + "/events", query), json_page)


def _filters(agent_ids: Names, event_types: Names, run_ids: Names) -> dict[str, Any]:
    return {"agentIds": list(agent_ids), "eventTypes": list(event_types), "runIds": list(run_ids)}


class Alerts(Resource[IO]):
    """`client.alerts`"""

    @operation
    def list(self) -> Call[AlertRulePage]:
        """List alert rules with their states."""
        return Call(Request("GET", BASE + "/alerts"), model(AlertRulePage))

    @operation
    def get(self, rule_id: str) -> Call[AlertRuleState]:
        """Read an alert rule with its state."""
        return Call(Request("GET", path(BASE + "/alerts/{}", rule_id)), model(AlertRuleState))

    @operation
    def create(self, settings: Settings = None, /, **fields: Any) -> Call[AlertRule]:
        """Create an alert rule: `create(name="Errors", metric="error_rate", op="gt", threshold=0.05)`."""
        return Call(Request("POST", BASE + "/alerts", body=body(settings, fields)), model(AlertRule))

    @operation
    def put(
        self,
        rule_id: str,
        settings: Settings = None,
        /,
        unchanged_since: str | None = None,
        dry_run: bool | None = None,
        **fields: Any,
    ) -> Call[AlertRule]:
        """Replace an alert rule, or create it."""
        options = given(unchangedSince=unchanged_since, dryRun=dry_run)
        where = path(BASE + "/alerts/{}", rule_id)
        return Call(Request("PUT", where, options, body(settings, fields)), model(AlertRule))

    @operation
    def change(self, rule_id: str, settings: Settings = None, /, **fields: Any) -> Call[AlertRule]:
        """Change the given fields."""
        where = path(BASE + "/alerts/{}", rule_id)
        request = Request("PATCH", where, body=body(settings, fields), repeatable=True)
        return Call(request, model(AlertRule))

    @operation
    def delete(self, rule_id: str, *, unchanged_since: str | None = None) -> Call[None]:
        """Delete an alert rule."""
        options = given(unchangedSince=unchanged_since)
        return Call(Request("DELETE", path(BASE + "/alerts/{}", rule_id), options), nothing)

    @listing
    def history(self, rule_id: str, *, limit: int | None = None) -> Listing[PastAlert]:
        """List the alerts of a rule in the last 31 days, newest first."""
        where = path(BASE + "/alerts/{}/history", rule_id)
        return Listing(Request("GET", where, given(limit=limit)), model(AlertHistoryPage))

    @operation
    def metric(
        self,
        metric: str,
        *,
        window: int | None = None,
        agent_ids: Names = (),
        since: str | None = None,
        until: str | None = None,
    ) -> Call[AlertMetricSeries]:
        """Read a metric over time, as a rule with these settings would see it."""
        query = {"metric": metric, "window": window, "agentIds": list(agent_ids), "from": since, "to": until}
        return Call(Request("GET", BASE + "/metrics", query), model(AlertMetricSeries))
