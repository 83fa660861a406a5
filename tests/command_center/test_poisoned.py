"""An invalid item is reported, and all others beside it are processed."""

import logging
from typing import Any

import pytest

from millrace.domain.access import Principal
from millrace.domain.alerts import AlertSettings
from millrace.domain.clock import iso, now_ms
from millrace.domain.command_center import center_stream
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.runs import LEASE_MS, LeaseRecord, Run
from millrace.services.command_center import alerts
from millrace.services.command_center.alerts import AlertRules, evaluate
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.record_batch import record_batch
from millrace.services.runs.search import search_in
from millrace.settings import Settings
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.dynamo import Item, put
from millrace.stores.runs import stream_of
from tests.command_center.conftest import NOON, Clock
from tests.command_center.making import checked, ended, message, started, whole_run
from tests.continuing import continue_elsewhere

NAMES = ["run_1", "run_2", "run_3", "run_4"]


async def begin(recorder: Recorder, organization: str, run_id: str) -> None:
    """A run whose process is never heard of again."""
    now = iso(NOON)
    run = Run(run_id, Slot(organization, f"c-{run_id}"), "echo", "running", now, f"msg_{run_id}")
    conversation = Conversation(f"c-{run_id}", "echo", "A title", now, now, "user")
    question = StoredMessage(f"q_{run_id}", "user", [{"text": "hi"}], now)
    leases = recorder.stores.leases
    await leases.begin(leases.beginning(run, "env", conversation, question, LeaseRecord()))
    await record(recorder, organization, [started(organization, run_id)])


async def take_from_queue(recorder: Recorder, settings: Settings, organization: str) -> None:
    """The runs have no definition, so that nothing can continue them: they are ended."""
    for name in NAMES:
        assert not await continue_elsewhere(settings, recorder.stores, organization, name)


async def poison(recorder: Recorder, table: str, item: Item) -> None:
    await recorder.records._dynamo.write(put(table, item))


async def nowhere(bus: EventBus, events: list[BusEvent]) -> None:
    """A bus that nobody listens to."""


async def test_check_ends_the_runs_beside_bad_ones_and_evaluates_alerts(
    recorder: Recorder,
    settings: Settings,
    organization: str,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The bus leads to the emulator's own record function, which would evaluate the rules as well.
    monkeypatch.setattr(type(recorder.bus), "put", nowhere)
    clock.now = now_ms()  # the emulator's own sweep would find runs of another day lost before the test does
    for name in NAMES:
        await begin(recorder, organization, name)
    events, live = recorder.records._table, f"{center_stream(organization)}#live"
    expires = 9_999_999_999
    body = {"seen": "[]", "ended": False, "toolEvent": 0, "expiresAt": expires}
    await poison(recorder, events, {"pk": live, "sk": "run_0", "shown": "{broken"} | body)
    await poison(recorder, events, {"pk": live, "sk": "run_2x", "shown": '{"status":"running"}'} | body)
    log_item = {"pk": stream_of(organization, "run_3"), "sk": f"{5:012d}", "first": 5, "data": b"{broken"}
    await poison(recorder, events, log_item | {"expiresAt": expires})
    rules, caller = AlertRules(recorder), Principal(organization, "user")
    await rules.create(caller, AlertSettings(name="Failures", metric="error_rate", threshold=0.5))
    bad = {"pk": organization, "sk": "RULE#0", "body": '{"name": 1}', "updatedAt": ""}
    await poison(recorder, recorder.alerts.table, bad)
    clock.now += LEASE_MS + 1
    with caplog.at_level(logging.ERROR):
        assert await checked(recorder, organization) == []
        await take_from_queue(recorder, settings, organization)
        found = await checked(recorder, organization)
    assert {event["runId"] for event in found if event["type"] == "run:error"} == set(NAMES)
    assert [event["type"] for event in found][-1] == "alert:triggered"
    for name in NAMES:
        assert (await recorder.stores.runs.get(organization, name)).state == "failed"
    assert "run_0 cannot be read" in caplog.text
    assert "run_2x cannot be checked" in caplog.text
    assert "RULE#0 cannot be read" in caplog.text


async def test_rule_that_fails_does_not_keep_others_from_being_evaluated(
    recorder: Recorder, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, caller = AlertRules(recorder), Principal(organization, "user")
    for name in ("one", "bad", "two"):
        await rules.create(caller, AlertSettings(name=name, metric="error_rate", threshold=0.5))
    await record(recorder, organization, [*whole_run(organization, "r1", failed=True)])
    evaluated = alerts._evaluate_rule

    async def failing(recorder: Recorder, organization: str, rule: Any, state: Any) -> Any:
        if rule.name == "bad":
            raise KeyError("poisoned")
        return await evaluated(recorder, organization, rule, state)

    monkeypatch.setattr(alerts, "_evaluate_rule", failing)
    found = await evaluate(recorder, organization)
    assert sorted(event["alert"]["name"] for event in found) == ["one", "two"]


async def test_end_that_cannot_be_recorded_does_not_keep_others_from_it(
    recorder: Recorder,
    settings: Settings,
    organization: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(type(recorder.bus), "put", nowhere)
    clock.now = now_ms()  # the emulator's own sweep would find runs of another day lost before the test does
    for name in NAMES:
        await begin(recorder, organization, name)
    subject = recorder.records.subject

    async def failing(organization: str, subject_id: str) -> Any:
        if subject_id == "run_2":
            raise ValueError("poisoned")
        return await subject(organization, subject_id)

    monkeypatch.setattr(type(recorder.records), "subject", lambda self, *given: failing(*given))
    clock.now += LEASE_MS + 1
    assert await checked(recorder, organization) == []
    await take_from_queue(recorder, settings, organization)
    found = await checked(recorder, organization)
    assert sorted(event["runId"] for event in found) == ["run_1", "run_3", "run_4"]


async def test_batch_with_a_bad_message_in_the_middle_records_the_others(
    recorder: Recorder, organization: str
) -> None:
    await record(recorder, organization, [started(organization, "bad")])
    live = f"{center_stream(organization)}#live"
    poisoned = {"pk": live, "sk": "bad", "shown": "{broken", "seen": "[]", "ended": False}
    await poison(recorder, recorder.records._table, poisoned | {"toolEvent": 0, "expiresAt": 9_999_999_999})
    runs = ["a", "b", "bad", "c", "d"]
    batch = [message(started(organization, run), n) for n, run in enumerate(runs)]
    batch.insert(1, {"messageId": "junk", "body": "\ud800"})
    answer = await record_batch(recorder, {"Records": batch})
    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    assert failed == {"junk", "message-2"}
    assert {one.id for one in await recorder.records.live(organization)} == {"a", "b", "c", "d"}


async def test_more_runs_than_one_transaction_holds_are_ended_in_one_check(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    names = [f"run_{n:03}" for n in range(60)]
    await record(recorder, organization, [started(organization, one) for one in names[:30]])
    await record(recorder, organization, [started(organization, one) for one in names[30:]])
    clock.now += LEASE_MS + 1
    assert len(await checked(recorder, organization)) == 60
    assert await recorder.records.live(organization) == []
    assert await record(recorder, organization, [ended(organization, one) for one in names[:30]]) == []


async def test_search_passes_over_messages_that_cannot_be_read(recorder: Recorder, organization: str) -> None:
    for name in NAMES:
        await begin(recorder, organization, name)
    table = recorder.stores.conversations.table
    for conversation, number in (("c-run_2", 1), ("c-run_3", 2)):  # the only message, and one after it
        key = {"pk": f"{organization}#{conversation}", "sk": f"M#{number:08d}"}
        await poison(recorder, table, key | {"body": "{broken"})
    user = Principal(organization, "user")
    search = search_in(recorder.stores, Slot(organization, "other"), user, lambda query, hits: None)
    found = {hit.conversation_id for hit in await search("hi", 10)}
    assert found == {"c-run_1", "c-run_3", "c-run_4"}
