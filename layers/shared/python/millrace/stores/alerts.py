"""Alert rules and where each stands, by organization: `RULE#<id>` and `STATE#<id>`; and `ACTIVE`, for a day
after an organization's last run."""

import time
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.alerts import MAX_RULES, STORED, AlertRule, AlertState
from millrace.domain.replacement import changed
from millrace.errors import Conflict, NotFound, TooManyRequests
from millrace.stores.aws import Aws
from millrace.stores.creations import TRIES, creations, next_creation
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    TransactItem,
    from_item,
    put,
    put_version,
    put_when,
    update,
)
from millrace.stores.reading import readable
from millrace.stores.unchanged import delete_unchanged, refusal

NOTED_SECONDS = 3600
ACTIVE_SECONDS = 25 * 3600
COUNTED_SECONDS = 31 * 24 * 3600
"""The time for which the count of a deleted rule's alerts is kept: longer than anything of its alerts."""


class AlertStore:
    """The table of alerts."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._aws = aws
        self._dynamo = Dynamo(aws)
        self.table = table
        self._active: dict[str, float] = {}

    async def note_active(self, organization: str) -> None:
        """Notes, at most once an hour and process, that an organization's runs are to be looked after."""
        now = time.time()
        if now - self._active.get(organization, 0) > NOTED_SECONDS:
            item = {"pk": organization, "sk": "ACTIVE", "expiresAt": int(now) + ACTIVE_SECONDS}
            await self._dynamo.write(put(self.table, item))
            # Only after the write: where that fails, the organization's next run tries again.
            self._active[organization] = now

    async def rules(self, organization: str) -> list[AlertRule]:
        """Every rule, oldest first."""
        items = await self._dynamo.query(
            self.table, "pk = :pk AND begins_with(sk, :kind)", pk=organization, kind="RULE#"
        )
        return readable(items, _to_rule)

    async def rule(self, organization: str, rule_id: str) -> AlertRule:
        """Raises `NotFound`."""
        item = await self._dynamo.get(self.table, _rule_key(organization, rule_id))
        if item is None:
            raise unknown_rule()
        return _to_rule(item)

    async def create(self, organization: str, rule: AlertRule) -> None:
        """Store a rule. Raises `Conflict` when its id is taken, `TooManyRequests` beyond the limit."""
        for _ in range(TRIES):
            before = await creations(self._dynamo, self.table, organization)
            if len(await self.rules(organization)) >= MAX_RULES:
                raise TooManyRequests(
                    f"An organization may have {MAX_RULES} alert rules; delete one.", code="too_many_rules"
                )
            try:
                await self._dynamo.transact(
                    put(self.table, _rule_item(organization, rule), new=True),
                    next_creation(self.table, organization, before),
                )
            except ConditionFailed as error:
                if 0 in error.items:
                    raise Conflict(
                        f"An alert rule with the id {rule.id!r} already exists.", code="rule_exists"
                    ) from error
                continue  # somebody else created one meanwhile: count again
            return
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def replace(self, organization: str, rule: AlertRule, unchanged_since: str) -> None:
        """Raises `Conflict` when somebody else changed the rule meanwhile, or deleted it."""
        request = update(
            self.table,
            _rule_key(organization, rule.id),
            "SET body = :body, updatedAt = :now",
            "updatedAt = :seen",
            body=rule.model_dump_json(by_alias=True),
            now=rule.updated_at,
            seen=unchanged_since,
        )
        try:
            await self._dynamo.write(request)
        except ConditionFailed as error:
            raise changed() from error

    async def delete(self, organization: str, rule_id: str, unchanged_since: str | None = None) -> None:
        """Remove a rule, and note how many alerts it had: one that is made anew under its id goes on from
        there, since receivers know repetitions by an alert's id. Raises `NotFound`, and `Conflict` for a rule
        that was changed since then."""
        ended = update(
            self.table,
            _state_key(organization, rule_id),
            "SET triggered = :no, triggeredAt = :none, unannounced = :none, expiresAt = :until, "
            "alerts = if_not_exists(alerts, :zero), version = if_not_exists(version, :zero) + :one",
            no=False,
            none=None,
            until=int(time.time()) + COUNTED_SECONDS,
            zero=0,
            one=1,
        )
        gone = delete_unchanged(self.table, _rule_key(organization, rule_id), unchanged_since)
        try:
            await self._dynamo.transact(gone, ended)
        except ConditionFailed as error:
            raise refusal(error, unknown_rule()) from error

    async def states(self, organization: str) -> dict[str, AlertState]:
        """Return the state of each rule by its id; a rule that was never triggered has none."""
        items = await self._dynamo.query(
            self.table, "pk = :pk AND begins_with(sk, :kind)", pk=organization, kind="STATE#"
        )
        return _to_states(items)

    async def standing(self, organization: str) -> tuple[list[AlertRule], dict[str, AlertState]]:
        """Return `rules` and `states` by one read: each organization's are looked at every minute."""
        items = await self._dynamo.query(
            self.table,
            "pk = :pk AND sk BETWEEN :first AND :last",
            pk=organization,
            first="RULE#",
            last="STATE#~",
        )
        rules = [item for item in items if item["sk"].startswith("RULE#")]
        return readable(rules, _to_rule), _to_states(
            item for item in items if item["sk"].startswith("STATE#")
        )

    def moves(self, organization: str, rule: AlertRule, state: AlertState) -> list[TransactItem]:
        """The writes that set a rule's state, refused unless it stands at the version before and the rule is
        as it was when it was looked at."""
        key = _state_key(organization, rule.id)
        moved = put_version(self.table, key | _state_body(state), state.version)
        check = {
            "TableName": self.table,
            "Key": {name: {"S": value} for name, value in _rule_key(organization, rule.id).items()},
            "ConditionExpression": "updatedAt = :rule",
            "ExpressionAttributeValues": {":rule": {"S": rule.updated_at}},
        }
        return [moved, {"ConditionCheck": check}]

    async def announced(self, organization: str, rule_id: str, state: AlertState) -> None:
        """Notes that the bus has the state's event; nothing happens when the state has moved on."""
        announced = replace(state, unannounced=None)
        item = _state_key(organization, rule_id) | _state_body(announced)
        change = put_when(self.table, item, "version = :seen", seen=state.version)
        try:
            await self._dynamo.write(change)
        except ConditionFailed:
            pass

    async def organizations(self) -> set[str]:
        """The organizations that have rules or runs: a scan, for the check of every minute."""
        found: set[str] = set()
        request: dict[str, Any] = {"TableName": self.table, "ProjectionExpression": "pk"}
        while True:
            answer = await self._aws.call("dynamodb", "scan", **request)
            found |= {from_item(item)["pk"] for item in answer["Items"]}
            if "LastEvaluatedKey" not in answer:
                return found
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def unknown_rule() -> NotFound:
    """The error for an id that names no rule of the organization."""
    return NotFound("No alert rule has this id.", code="alert_rule_not_found")


def _rule_key(organization: str, rule_id: str) -> Item:
    return {"pk": organization, "sk": f"RULE#{rule_id}"}


def _state_key(organization: str, rule_id: str) -> Item:
    return {"pk": organization, "sk": f"STATE#{rule_id}"}


def _rule_item(organization: str, rule: AlertRule) -> Item:
    body = {"body": rule.model_dump_json(by_alias=True), "updatedAt": rule.updated_at}
    return _rule_key(organization, rule.id) | body


def _to_rule(item: Item) -> AlertRule:
    return AlertRule.model_validate(orjson.loads(item["body"]), context=STORED)


def _state_body(state: AlertState) -> Item:
    return {
        "triggered": state.triggered,
        "alerts": state.count,
        "version": state.version,
        "triggeredAt": state.triggered_at,
        "unannounced": state.unannounced,
    }


def _to_states(items: Iterable[Item]) -> dict[str, AlertState]:
    return dict(readable(items, lambda item: (item["sk"].partition("#")[2], _to_state(item))))


def _to_state(item: Item) -> AlertState:
    return AlertState(
        triggered=item["triggered"],
        count=item["alerts"],
        version=item["version"],
        triggered_at=item["triggeredAt"],
        unannounced=item["unannounced"],
    )
