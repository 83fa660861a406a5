"""Alert rules over HTTP, part of the command center's function."""

from dataclasses import dataclass
from typing import Any

from pydantic import RootModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.endpoint import Endpoint, invalid, read_body
from millrace.api.operation import EMPTY, Answer
from millrace.domain.access import Principal
from millrace.domain.alerts import AlertReplacement, AlertSettings
from millrace.domain.ids import valid_id
from millrace.services.command_center.alerts import AlertRules
from millrace.services.command_center.record import Recorder
from millrace.stores.alerts import unknown_rule

BASE = "/api/command-center/alerts"


class AlertChanges(RootModel[dict[str, Any]]):
    """The fields of a rule that are to change."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """The endpoints."""

    recorder: Recorder

    def endpoints(self) -> list[Endpoint]:
        """The table of them."""
        one = BASE + "/{rule_id}"
        return [
            Endpoint(
                "GET",
                BASE,
                "List alert rules, and whether they are triggered",
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
                "PUT",
                one,
                "Replace an alert rule by the given one; create it if there is none",
                "alerts:write",
                self.put_alert_rule,
                body=AlertReplacement,
                answers={200: "AlertRule", 201: "AlertRule"},
                errors=("alert_rule_not_found", "id_mismatch", "changed", "rule_exists", "too_many_rules"),
            ),
            Endpoint(
                "PATCH",
                one,
                "Change an alert rule: only the fields that are given",
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
                answers={204: EMPTY},
                errors=("alert_rule_not_found",),
            ),
        ]

    @property
    def rules(self) -> AlertRules:
        """The verbs."""
        return AlertRules(self.recorder)

    async def list_alert_rules(self, request: Request, caller: Principal) -> Response:
        return JSONResponse({"items": await self.rules.all(caller), "nextCursor": None})

    async def create_alert_rule(self, request: Request, caller: Principal) -> Response:
        made = await self.rules.create(caller, await read_body(request, AlertSettings))
        return JSONResponse(made.to_wire(), 201, {"location": f"{BASE}/{made.id}"})

    async def get_alert_rule(self, request: Request, caller: Principal) -> Response:
        return JSONResponse(await self.rules.get(caller, _rule_id(request)))

    async def put_alert_rule(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, AlertReplacement)
        rule, is_new = await self.rules.put(caller, _rule_id(request), given)
        return JSONResponse(rule.to_wire(), 201 if is_new else 200)

    async def change_alert_rule(self, request: Request, caller: Principal) -> Response:
        changes = await read_body(request, AlertChanges)
        try:
            changed = await self.rules.change(caller, _rule_id(request), changes.root)
        except ValidationError as error:
            raise invalid(error) from error
        return JSONResponse(changed.to_wire())

    async def delete_alert_rule(self, request: Request, caller: Principal) -> Response:
        await self.rules.delete(caller, _rule_id(request))
        return Response(status_code=204)


def _rule_id(request: Request) -> str:
    rule_id = str(request.path_params["rule_id"])
    if not valid_id(rule_id):
        raise unknown_rule()
    return rule_id
