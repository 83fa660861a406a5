"""Calls that wait for a person, in the table of conversations.

They are stored in their slot's partition under `B#<run>#<call>`, so deleting the conversation deletes them.
While a call waits, the index `ByUpdate` lists it for its organization (`<organization>#waiting`) and
`ByOwner` lists it for the check of every minute (`#waiting`), both ordered by expiry. No organization has `#`
in its name.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

from millrace.domain.approvals import Answer, Approvers, WaitingCall, expired_answer
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.errors import NotFound
from millrace.stores.dynamo import (
    ConditionFailed,
    Dynamo,
    Item,
    TransactItem,
    check_that,
    put,
    to_item,
    update,
)
from millrace.stores.idempotency import Marker, Repeated, put_marker
from millrace.stores.lease_record import lease_key
from millrace.stores.reading import readable

CHECK_MS = 15_000
"""Milliseconds a run has to continue after an answer before the check of every minute takes over."""
KEPT_SECONDS = 30 * 24 * 3600
"""Seconds for which calls are kept after they expire."""
_DUE = "#waiting"


class Position(NamedTuple):
    """The position of a call in its organization's list, from which a page continues."""

    conversation_id: str
    thread_id: str
    run_id: str
    call_id: str
    expires: str

    @classmethod
    def of(cls, call: WaitingCall) -> "Position":
        """Return the position of a call."""
        slot = call.slot
        expires = iso(call.expires_ms)
        return cls(slot.conversation_id, slot.thread_id or "", call.run_id, call.call_id, expires)


class ApprovalStore:
    """The items of waiting calls."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    def requests(self, calls: Iterable[WaitingCall]) -> list[TransactItem]:
        """Return the writes that store waiting calls. They are refused for a call that already exists."""
        return [put(self._table, _to_item(call), new=True) for call in calls]

    async def answer(
        self, call: WaitingCall, answer: Answer, now_ms: int, marker: Marker | None = None
    ) -> None:
        """Answer a waiting call once, before it expires, and use up the `marker` with it.

        Raises `Repeated` if the marker was used before, otherwise `ConditionFailed`.
        """
        writes = [waits(self._table, call), self.answered(call, answer, now_ms)]
        if marker:
            writes.append(put_marker(self._table, call.slot, marker, call.run_id, now_ms))
        try:
            await self._dynamo.transact(*writes)
        except ConditionFailed as error:
            if used := error.items.get(2):
                raise Repeated(used) from error
            raise

    async def expire(self, call: WaitingCall, now_ms: int) -> None:
        """Answer an expired call with `expired_answer`. Raises `ConditionFailed`."""
        await self._dynamo.write(self.answered(call, expired_answer(now_ms), now_ms))

    def answered(self, call: WaitingCall, answer: Answer, now_ms: int) -> TransactItem:
        """Return the write that answers a call once: a person's answer before it expires, `expired_answer`
        after. The check of every minute finds the call until its run continues."""
        in_time = "expiresMs <= :now" if answer.expired else "expiresMs > :now"
        check = now_ms + CHECK_MS
        return update(
            self._table,
            _key(call.slot, call.run_id, call.call_id),
            # Without `listPk` people no longer see the call. `ownerPk` stays for the check of every minute,
            # in case this process dies before the run continues.
            "SET answer = :answer, listSk = :check REMOVE listPk",
            # A settled call has no `ownerPk`: its run no longer waits for it, and nobody may answer it.
            f"attribute_exists(ownerPk) AND attribute_not_exists(answer) AND {in_time}",
            answer=orjson.dumps(_answer_body(answer)).decode(),
            now=now_ms,
            check=_list_sort(iso(check), call.slot, call.run_id, call.call_id),
        )

    async def check_again(self, call: WaitingCall, at_ms: int) -> None:
        """Have the check of every minute return to an answered call later."""
        request = update(
            self._table,
            _key(call.slot, call.run_id, call.call_id),
            "SET listSk = :check",
            "attribute_exists(ownerPk)",
            check=_list_sort(iso(at_ms), call.slot, call.run_id, call.call_id),
        )
        with suppress(ConditionFailed):
            await self._dynamo.write(request)

    async def settle(self, call: WaitingCall) -> None:
        """Remove a call from all lists, because its run has continued or ended."""
        with suppress(ConditionFailed):
            await self._dynamo.write(self.settled(call))

    def settled(self, call: WaitingCall) -> TransactItem:
        """Return the write that removes a call from all lists. Nobody can answer the call afterwards."""
        return update(
            self._table,
            _key(call.slot, call.run_id, call.call_id),
            "SET settled = :yes REMOVE listPk, listSk, ownerPk",
            "attribute_exists(pk)",
            yes=True,
        )

    async def closings(self, slot: Slot, run_id: str) -> list[TransactItem]:
        """Return the writes after which nobody can answer the calls of a run that still wait."""
        return [self.settled(call) for call in await self.of_run(slot, run_id) if call.state == "waiting"]

    async def get(self, slot: Slot, run_id: str, call_id: str) -> WaitingCall:
        """Return a call. Raises `NotFound`."""
        item = await self._dynamo.get(self._table, _key(slot, run_id, call_id))
        if item is None:
            raise NotFound("This run has no waiting or answered call with this id.", code="call_not_found")
        return _to_call(slot.organization, item)

    async def of_run(self, slot: Slot, run_id: str) -> list[WaitingCall]:
        """Return the calls of a run that wait or have waited, in the order in which they were made."""
        return await self._under(slot, f"B#{run_id}#")

    async def some_wait(self, slot: Slot, run_id: str, now_ms: int) -> bool:
        """Return whether people can still answer a call of a run."""
        calls = await self.of_run(slot, run_id)
        return any(call.state == "waiting" and call.expires_ms > now_ms for call in calls)

    async def of_slot(self, slot: Slot) -> list[WaitingCall]:
        """Return the calls of all runs of a slot."""
        return await self._under(slot, "B#")

    async def _under(self, slot: Slot, prefix: str) -> list[WaitingCall]:
        items = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :prefix)", pk=slot.key, prefix=prefix
        )
        found = [_to_call(slot.organization, item) for item in items]
        return sorted(found, key=lambda call: (call.requested_ms, call.position))

    async def page(
        self, organization: str, limit: int, after: Position | None = None
    ) -> tuple[list[WaitingCall], Position | None]:
        """Return calls that wait in an organization, the first to expire first, and the next page's
        position."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "ByUpdate",
            "KeyConditionExpression": "listPk = :pk",
            "ExpressionAttributeValues": to_item({":pk": _list_key(organization)}),
            "Limit": limit,
        }
        if after:
            request["ExclusiveStartKey"] = to_item(_after(organization, after))
        items, last = await self._dynamo.query_page(**request)
        found = readable(items, lambda item: _to_call(organization, item))
        return found, Position.of(_to_call(organization, items[-1])) if last and items else None

    async def due(self, now_ms: int, limit: int) -> list[WaitingCall]:
        """Return calls of all organizations that need attention, the longest due first.

        They have expired, or they are answered and their run may not have continued.
        """
        items, _ = await self._dynamo.query_page(
            TableName=self._table,
            IndexName="ByOwner",
            KeyConditionExpression="ownerPk = :pk AND listSk <= :now",
            ExpressionAttributeValues=to_item({":pk": _DUE, ":now": iso(now_ms)}),
            Limit=limit,
        )
        return readable(items, lambda item: _to_call(item["pk"].partition("#")[0], item))


def waits(table: str, call: WaitingCall) -> TransactItem:
    """Return a condition for a transaction: the call's run is active. The run may still be working on other
    calls before it waits for this one."""
    condition = "runId = :run AND attribute_not_exists(stopReason)"
    return check_that(table, lease_key(call.slot), condition, run=call.run_id)


def _list_key(organization: str) -> str:
    return f"{organization}#waiting"


def _key(slot: Slot, run_id: str, call_id: str) -> Item:
    return {"pk": slot.key, "sk": f"B#{run_id}#{call_id}"}


def _list_sort(expires: str, slot: Slot, run_id: str, call_id: str) -> str:
    return f"{expires}#{slot.conversation_id}#{slot.thread_id or ''}#{run_id}#{call_id}"


def _after(organization: str, after: Position) -> Item:
    """Return the start of a page, made from the caller's own organization so that no cursor leads
    elsewhere."""
    slot = Slot.of(organization, after.conversation_id, after.thread_id or None)
    return _key(slot, after.run_id, after.call_id) | {
        "listPk": _list_key(organization),
        "listSk": _list_sort(after.expires, slot, after.run_id, after.call_id),
    }


def _to_item(call: WaitingCall) -> Item:
    body = {
        "kind": call.kind,
        "name": call.name,
        "user": call.user,
        "agentId": call.agent_id,
        "agentName": call.agent_name,
        "arguments": call.arguments,
        "prompt": call.prompt,
        "options": list(call.options),
        "schema": call.schema,
        "approvers": call.approvers.to_wire(),
        "visibility": call.visibility,
        "position": call.position,
        "onExpired": call.on_expired,
        "path": list(call.path),
    }
    return _key(call.slot, call.run_id, call.call_id) | {
        "conversationId": call.slot.conversation_id,
        "threadId": call.slot.thread_id,
        "runId": call.run_id,
        "callId": call.call_id,
        "requestedMs": call.requested_ms,
        "expiresMs": call.expires_ms,
        "body": orjson.dumps(body).decode(),
        "listPk": _list_key(call.slot.organization),
        "listSk": _list_sort(iso(call.expires_ms), call.slot, call.run_id, call.call_id),
        "ownerPk": _DUE,
        "expiresAt": call.expires_ms // 1000 + KEPT_SECONDS,
    }


def _to_call(organization: str, item: Item) -> WaitingCall:
    body = orjson.loads(item["body"])
    return WaitingCall(
        slot=Slot(organization, item["conversationId"], item["threadId"]),
        run_id=item["runId"],
        call_id=item["callId"],
        kind=body["kind"],
        name=body["name"],
        user=body["user"],
        agent_id=body["agentId"],
        agent_name=body["agentName"],
        requested_ms=item["requestedMs"],
        expires_ms=item["expiresMs"],
        arguments=body["arguments"],
        prompt=body["prompt"],
        options=body["options"],
        schema=body["schema"],
        approvers=Approvers.model_validate(body["approvers"]),
        visibility=body["visibility"],
        position=body["position"],
        on_expired=body["onExpired"],
        path=body.get("path", []),
        answer=_to_answer(item.get("answer")),
        settled="settled" in item,
    )


def _answer_body(answer: Answer) -> dict[str, Any]:
    return {
        "decision": answer.decision,
        "by": answer.by,
        "at": answer.at,
        "arguments": answer.arguments,
        "content": answer.content,
        "reason": answer.reason,
    }


def _to_answer(text: str | None) -> Answer | None:
    return Answer(**orjson.loads(text)) if text else None
