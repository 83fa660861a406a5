"""Alert rules and their states, by organization.

Items are `RULE#<id>` and `STATE#<id>`. In the partition `#active` is an item for each organization,
`<organization>#`, for a day after its last run or change of a rule.
"""

import time
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.alerts import MAX_RULES, STORED, AlertRule, AlertState
from millrace.domain.clock import from_iso
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

ACTIVE = "#active"
NOTED_MS = 300_000
"""The interval at which a process notes an organization that stays active."""
ACTIVE_SECONDS = 25 * 3600
"""Longer than a run without events is shown as active, and than the window of any rule."""
COUNTED_SECONDS = 31 * 24 * 3600
"""Seconds for which the alert count of a deleted rule is kept: longer than anything else about its alerts."""


class AlertStore:
    """The table of alerts."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._aws = aws
        self._dynamo = Dynamo(aws)
        self.table = table
        self._noted: dict[str, int] = {}

    async def note_active(self, organization: str, now: int) -> None:
        """Record that an organization has runs to check, at most every five minutes in each process."""
        if now - self._noted.get(organization, -NOTED_MS) >= NOTED_MS:
            await self._note(organization, now)
            # Remember this only after the write, so that a failed write is tried again with the next run.
            self._noted[organization] = now

    async def _note(self, organization: str, now: int) -> None:
        item = {"pk": ACTIVE, "sk": f"{organization}#", "noted": now}
        await self._dynamo.write(put(self.table, item | {"expiresAt": now // 1000 + ACTIVE_SECONDS}))

    async def active(self, now: int) -> dict[str, int]:
        """Return the active organizations, and when each was last noted (epoch ms), as of a moment ago."""
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": ACTIVE}},
        }
        found: dict[str, int] = {}
        while True:
            items, more = await self._dynamo.query_page(**request)
            noted = readable(items, lambda one: (one["sk"][:-1], one["noted"], one["expiresAt"]))
            found |= {name: at for name, at, expires in noted if expires > now // 1000}
            if not more:
                return found
            request["ExclusiveStartKey"] = more

    async def rules(self, organization: str) -> list[AlertRule]:
        """Return every rule, oldest first."""
        items = await self._dynamo.query(
            self.table, "pk = :pk AND begins_with(sk, :kind)", pk=organization, kind="RULE#"
        )
        return readable(items, _to_rule)

    async def rule(self, organization: str, rule_id: str) -> AlertRule:
        """Return a rule. Raises `NotFound`."""
        item = await self._dynamo.get(self.table, _rule_key(organization, rule_id))
        if item is None:
            raise unknown_rule()
        return _to_rule(item)

    async def create(self, organization: str, rule: AlertRule) -> None:
        """Store a rule. Raises `Conflict` when its id is taken, `TooManyRequests` beyond the limit."""
        # First, since a crash afterwards would leave the rule to the check of every hour.
        await self._note(organization, from_iso(rule.updated_at))
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
                continue  # somebody else created a rule in the meantime, so count again
            return
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def replace(self, organization: str, rule: AlertRule, unchanged_since: str) -> None:
        """Replace a rule. Raises `Conflict` if it was changed or deleted in the meantime."""
        await self._note(organization, from_iso(rule.updated_at))
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
        """Delete a rule, but keep its number of alerts.

        Receivers recognize a repeated alert by its id, so a new rule with the same id continues the
        numbering. Raises `NotFound`, and `Conflict` if the rule was changed after `unchanged_since`.
        """
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
        """Return the states of rules by id. A rule that was never triggered has no state."""
        items = await self._dynamo.query(
            self.table, "pk = :pk AND begins_with(sk, :kind)", pk=organization, kind="STATE#"
        )
        return _to_states(items)

    async def standing(self, organization: str) -> tuple[list[AlertRule], dict[str, AlertState]]:
        """Return `rules` and `states` with a single read, because every organization is checked each
        minute."""
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
        """Return the writes that set a rule's state.

        They are refused unless the state has the preceding version and the rule is unchanged since it was
        read.
        """
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
        """Record that the state's event is on the bus. Does nothing if the state has changed since."""
        announced = replace(state, unannounced=None)
        item = _state_key(organization, rule_id) | _state_body(announced)
        change = put_when(self.table, item, "version = :seen", seen=state.version)
        try:
            await self._dynamo.write(change)
        except ConditionFailed:
            pass

    async def organizations(self) -> set[str]:
        """Return the organizations that have rules or recent runs, with a scan for the check of every
        minute."""
        found: set[str] = set()
        request: dict[str, Any] = {"TableName": self.table, "ProjectionExpression": "pk"}
        while True:
            answer = await self._aws.call("dynamodb", "scan", **request)
            found |= {from_item(item)["pk"] for item in answer["Items"]}
            if "LastEvaluatedKey" not in answer:
                return found - {ACTIVE}
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def unknown_rule() -> NotFound:
    """Return the error for an id that no rule of the organization has."""
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
