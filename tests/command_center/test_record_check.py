"""The check of each minute: runs that ended unnoticed are ended in the command center as well."""

import json
from typing import Any

import pytest

from millrace.domain.access import Principal
from millrace.domain.alerts import AlertSettings
from millrace.domain.clock import iso
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.runs import LEASE_MS, LeaseRecord, Run, RunState
from millrace.errors import Unavailable
from millrace.services.command_center import looks
from millrace.services.command_center.alerts import AlertRules
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.record_batch import record_batch
from millrace.settings import Settings
from millrace.stores.bus import BusEvent
from millrace.stores.takeovers import NOTICED_MS
from tests.command_center.conftest import NOON, Clock
from tests.command_center.making import checked, ended, message, started
from tests.continuing import continue_elsewhere

TICK = {
    "messageId": "tick",
    "body": '{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}',
}
SECOND = 1000


def run_of(organization: str, state: RunState = "running", ended_at: str | None = None) -> Run:
    return Run(
        id="run_1",
        slot=Slot(organization, "c-run_1"),
        agent_id="echo",
        state=state,
        started_at=iso(NOON),
        message_id="msg_1",
        ended_at=ended_at,
    )


async def begin(recorder: Recorder, organization: str) -> None:
    """A real run, held by a process that is never heard of again."""
    now = iso(NOON)
    conversation = Conversation("c-run_1", "echo", "A title", now, now)
    question = StoredMessage("msg_0", "user", [{"text": "hi"}], now)
    leases = recorder.stores.leases
    await leases.begin(leases.beginning(run_of(organization), "env", conversation, question, LeaseRecord()))
    await record(recorder, organization, [started(organization, "run_1")])


def bus_of(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record what is put on the bus from now on."""
    put: list[dict[str, Any]] = []

    async def keep(events: list[BusEvent]) -> None:
        put.extend(json.loads(event.detail) for event in events)

    monkeypatch.setattr(recorder.bus, "put", keep)
    return put


async def test_run_whose_process_died_is_put_on_the_run_queue_once(
    recorder: Recorder, organization: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[tuple[str, str]] = []

    async def enqueue(organization: str, run_id: str, **more: Any) -> None:
        queued.append((organization, run_id))

    monkeypatch.setattr(recorder.stores.run_queue, "enqueue", enqueue)
    await begin(recorder, organization)
    clock.now += LEASE_MS - SECOND
    assert await checked(recorder, organization) == []
    assert queued == []
    clock.now += 2 * SECOND
    await checked(recorder, organization)
    await checked(recorder, organization)
    assert queued == [(organization, "run_1")]
    clock.now += NOTICED_MS + 1  # the message may have been lost
    await checked(recorder, organization)
    assert queued == [(organization, "run_1")] * 2
    assert len(await recorder.records.live(organization)) == 1


async def test_run_that_nothing_can_continue_is_ended_also_for_pipelines(
    recorder: Recorder, settings: Settings, organization: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(recorder, organization)
    clock.now += LEASE_MS + SECOND
    put = bus_of(recorder, monkeypatch)
    assert not await continue_elsewhere(settings, recorder.stores, organization, "run_1")
    (end,) = await checked(recorder, organization)
    assert (end["type"], end["error"]["code"]) == ("run:error", "run_lost")
    assert {(one["id"], one["runId"], one["status"]) for one in put} == {(end["id"], "run_1", "failed")}
    assert (await recorder.stores.runs.get(organization, "run_1")).state == "failed"
    assert await recorder.records.live(organization) == []
    assert await record(recorder, organization, [ended(organization, "run_1")]) == []


async def test_silent_run_that_is_alive_is_left_alone(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    clock.now += 20 * SECOND
    await begin(recorder, organization)
    clock.now += LEASE_MS - SECOND
    assert await checked(recorder, organization) == []
    assert len(await recorder.records.live(organization)) == 1


@pytest.mark.parametrize(("state", "kind"), [("completed", "run:completed"), ("stopped", "run:completed")])
async def test_run_whose_last_event_never_came_is_ended_as_it_is_stored(
    recorder: Recorder, organization: str, clock: Clock, state: RunState, kind: str
) -> None:
    await record(recorder, organization, [started(organization, "run_1")])
    stored = run_of(organization, state, iso(NOON + SECOND))
    await recorder.records._dynamo.write(recorder.stores.runs.put(stored))
    clock.now += 31 * SECOND
    assert [end["type"] for end in await checked(recorder, organization)] == [kind]
    assert await recorder.records.live(organization) == []


async def test_run_that_waits_for_people_is_shown_until_it_ends(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    """Its events come in any order: the latest status holds."""
    changes = [("running", "waiting", 2), ("waiting", "running", 40), ("running", "waiting", 50)]
    events = [
        started(organization, "run_1")
        | {"id": f"run_1:{number}", "type": "run:status_changed", "from": old, "to": new, "status": None}
        for old, new, number in changes
    ]
    await record(recorder, organization, [started(organization, "run_1")])
    for event, shown in zip(
        [events[0], events[2], events[1]], ("waiting", "waiting", "waiting"), strict=True
    ):
        await record(recorder, organization, [event])
        [live] = await recorder.records.live(organization)
        assert live.view["status"] == shown
    end = started(organization, "run_1") | {"id": "run_1:60", "type": "run:completed", "status": "completed"}
    await record(recorder, organization, [end])
    assert await recorder.records.live(organization) == []


async def test_run_that_is_stored_nowhere_is_ended(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    await record(recorder, organization, [started(organization, "run_1")])
    clock.now += 31 * SECOND
    (end,) = await checked(recorder, organization)
    assert end["error"]["code"] == "deleted"
    assert await checked(recorder, organization) == []


async def test_tick_checks_every_organization_that_had_runs(
    recorder: Recorder, organization: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "PORTION", 100_000)  # other tests have organizations too
    names = [organization, f"{organization}-b"]
    for name in names:
        await record(recorder, name, [started(name, "run_1")])
    clock.now += 31 * SECOND
    assert await record_batch(recorder, {"Records": [TICK]}) == {"batchItemFailures": []}
    for name in names:
        assert await recorder.records.live(name) == []


async def test_events_are_not_repeated_because_the_bus_is_down(
    recorder: Recorder, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(events: list[BusEvent]) -> None:
        raise Unavailable("The bus is down.")

    rule = AlertSettings(name="Errors", metric="error_rate", threshold=0.1)
    await AlertRules(recorder).create(Principal(organization, "user"), rule)
    monkeypatch.setattr(recorder.bus, "put", down)
    batch = {"Records": [message(ended(organization, "run_1", failed=True))]}
    assert await record_batch(recorder, batch) == {"batchItemFailures": []}
    states = await recorder.alerts.states(organization)
    assert [state.unannounced is None for state in states.values()] == [False]
