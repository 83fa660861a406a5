"""Alert rules over HTTP, part of the command center's function."""

from collections.abc import Mapping
from typing import Any, get_args

from msgspec import Struct
from pydantic import RootModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.cursors import number_from_cursor, to_cursor
from millrace.api.endpoint import Endpoint, invalid, read_body, whole_number
from millrace.api.operation import EMPTY, Answer, Parameter
from millrace.api.parameters import CURSOR, UNCHANGED_SINCE, WRITE, limit, write_options
from millrace.domain.access import Principal
from millrace.domain.alerts import (
    MAX_WINDOW_MS,
    MIN_WINDOW_MS,
    AlertReplacement,
    AlertSettings,
    Metric,
)
from millrace.domain.ids import valid_id
from millrace.services.command_center.alerts import AlertRules
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.series import AlertSeries
from millrace.stores.alerts import unknown_rule

BASE = "/api/command-center/alerts"
METRICS = "/api/command-center/metrics"
PAGE = 50
_WINDOW = {"type": "integer", "minimum": MIN_WINDOW_MS, "maximum": MAX_WINDOW_MS, "default": 300_000}
METRIC_PARAMETERS = (
    Parameter("metric", "The metric", {"type": "string", "enum": list(get_args(Metric))}),
    Parameter("window", "The rule's window, in milliseconds", _WINDOW),
    Parameter("agentIds", "Only these agents, separated by commas"),
    Parameter("from", "ISO 8601, at most 24 hours ago; by default an hour before `to`"),
    Parameter("to", "ISO 8601; by default now"),
)


class AlertChanges(RootModel[dict[str, Any]]):
    """The fields of a rule to change."""


class Alerts(Struct, frozen=True):
    """The endpoints of alert rules."""

    recorder: Recorder

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        one = BASE + "/{rule_id}"
        return [
            Endpoint(
                "GET",
                BASE,
                "List alert rules with their states",
                "observe",
                self.list_alert_rules,
                answers={200: "AlertRulePage"},
            ),
            Endpoint(
                "POST",
                BASE,
                "Create an alert rule",
                "alerts:write",
                self.create_alert_rule,
                body=AlertSettings,
                answers={201: Answer("AlertRule", headers=("location",))},
                errors=("rule_exists", "too_many_rules"),
            ),
            Endpoint(
                "GET",
                one,
                "Read an alert rule",
                "observe",
                self.get_alert_rule,
                answers={200: "AlertRuleState"},
                errors=("alert_rule_not_found",),
            ),
            Endpoint(
                "GET",
                one + "/history",
                "List a rule's alerts of the last 31 days, newest first",
                "observe",
                self.list_alerts,
                parameters=(limit(100, PAGE), CURSOR),
                answers={200: "AlertHistoryPage"},
                errors=("alert_rule_not_found",),
            ),
            Endpoint(
                "PUT",
                one,
                "Replace an alert rule, or create it",
                "alerts:write",
                self.put_alert_rule,
                body=AlertReplacement,
                parameters=WRITE,
                answers={200: "AlertRule", 201: "AlertRule"},
                errors=("alert_rule_not_found", "id_mismatch", "changed", "rule_exists", "too_many_rules"),
            ),
            Endpoint(
                "PATCH",
                one,
                "Change the given fields of an alert rule",
                "alerts:write",
                self.change_alert_rule,
                body=AlertChanges,
                answers={200: "AlertRule"},
                errors=("alert_rule_not_found", "changed"),
            ),
            Endpoint(
                "DELETE",
                one,
                "Delete an alert rule",
                "alerts:write",
                self.delete_alert_rule,
                parameters=(UNCHANGED_SINCE,),
                answers={204: EMPTY},
                errors=("alert_rule_not_found", "changed"),
            ),
        ]

    def metric_endpoint(self) -> Endpoint:
        """Return the endpoint that reads a metric as a rule would see it, which may exist or not."""
        return Endpoint(
            "GET",
            METRICS,
            "Read a metric over time, as an alert rule with these settings would see it",
            "observe",
            self.get_alert_metric,
            parameters=METRIC_PARAMETERS,
            answers={200: "AlertMetricSeries"},
            errors=("invalid_time",),
        )

    @property
    def rules(self) -> AlertRules:
        """The operations on alert rules."""
        return AlertRules(self.recorder)

    async def list_alert_rules(self, request: Request, caller: Principal) -> Response:
        return JSONResponse({"items": await self.rules.all(caller), "nextCursor": None})

    async def create_alert_rule(self, request: Request, caller: Principal) -> Response:
        made = await self.rules.create(caller, await read_body(request, AlertSettings))
        return JSONResponse(made.to_wire(), 201, {"location": f"{BASE}/{made.id}"})

    async def get_alert_rule(self, request: Request, caller: Principal) -> Response:
        return JSONResponse(await self.rules.get(caller, _rule_id(request)))

    async def list_alerts(self, request: Request, caller: Principal) -> Response:
        most = whole_number(request, "limit", PAGE, 1, 100)
        before = number_from_cursor(request.query_params.get("cursor"), "number")
        series = AlertSeries(self.recorder)
        found, last = await series.history(caller, _rule_id(request), before, most)
        more = to_cursor({"number": str(last)}) if last else None
        return JSONResponse({"items": found, "nextCursor": more})

    async def get_alert_metric(self, request: Request, caller: Principal) -> Response:
        query = request.query_params
        rule = _rule_of(query)
        return JSONResponse(
            await AlertSeries(self.recorder).of(caller, rule, query.get("from"), query.get("to"))
        )

    async def put_alert_rule(self, request: Request, caller: Principal) -> Response:
        given, options = await read_body(request, AlertReplacement), write_options(request)
        rule, is_new = await self.rules.put(caller, _rule_id(request), given, options)
        return JSONResponse(rule.to_wire(), 201 if is_new else 200)

    async def change_alert_rule(self, request: Request, caller: Principal) -> Response:
        changes = await read_body(request, AlertChanges)
        try:
            changed = await self.rules.change(caller, _rule_id(request), changes.root)
        except ValidationError as error:
            raise invalid(error) from error
        return JSONResponse(changed.to_wire())

    async def delete_alert_rule(self, request: Request, caller: Principal) -> Response:
        unchanged_since = request.query_params.get(UNCHANGED_SINCE.name)
        await self.rules.delete(caller, _rule_id(request), unchanged_since)
        return Response(status_code=204)


def _rule_id(request: Request) -> str:
    rule_id = str(request.path_params["rule_id"])
    if not valid_id(rule_id):
        raise unknown_rule()
    return rule_id


def _rule_of(query: Mapping[str, str]) -> AlertSettings:
    """Return the settings that determine what is measured. Raises `InvalidRequest`."""
    agents = [one for one in query.get("agentIds", "").split(",") if one]
    given = {"metric": query.get("metric"), "window": query.get("window"), "agentIds": agents}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return AlertSettings.model_validate({"name": "-", "threshold": 1, "op": "lt", **given})
    except ValidationError as error:
        raise invalid(error) from error
