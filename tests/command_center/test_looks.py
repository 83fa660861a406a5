"""Ticks with more organizations than one invocation can check."""

import json
from typing import Any

import pytest

from millrace.domain.access import SCOPES, Principal
from millrace.domain.alerts import AlertSettings
from millrace.domain.record import Subject
from millrace.errors import Unavailable
from millrace.services.command_center import looks
from millrace.services.command_center.alerts import AlertRules
from millrace.services.command_center.quiet import AFTER_MS
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.record_batch import CHECK_RUNS, record_batch
from millrace.stores.alerts import ACTIVE_SECONDS
from millrace.stores.dynamo import Dynamo, put
from tests.clock import Clock
from tests.command_center.making import ended, started
from tests.command_center.test_record_check import TICK, begin

SILENT_MS = 31_000


@pytest.fixture
def sent(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Messages that would come to the record queue."""
    found: list[tuple[str, int, str]] = []
    monkeypatch.setattr(type(recorder.queue), "send_delayed", lambda _queue, messages: found.extend(messages))
    return found


async def begun(recorder: Recorder, organization: str, count: int) -> list[str]:
    """Organizations that each have a run which is over unseen."""
    names = [f"{organization}-{number}" for number in range(count)]
    for name in names:
        await record(recorder, name, [started(name, "run_1")])
    return names


def portions(sent: list[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """Messages to the queue as it brings them, without those that come between two ticks."""
    bodies = [body for body, _, _ in sent if json.loads(body)["source"] == looks.LOOK]
    return [{"messageId": str(at), "body": body} for at, body in enumerate(bodies)]


async def test_organizations_beyond_a_portion_are_looked_at_by_messages(
    recorder: Recorder,
    organization: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[tuple[str, int, str]],
) -> None:
    monkeypatch.setattr(looks, "PORTION", 2)
    names = await begun(recorder, organization, 5)
    clock.now += SILENT_MS
    assert await record_batch(recorder, {"Records": [TICK]}) == {"batchItemFailures": []}
    rest = portions(sent)
    assert all(len(json.loads(one["body"])["organizations"]) <= 2 for one in rest)
    assert any([await recorder.records.live(name) for name in names])
    assert await record_batch(recorder, {"Records": rest}) == {"batchItemFailures": []}
    assert not any([await recorder.records.live(name) for name in names])


async def test_note_that_cannot_be_read_does_not_hide_the_others(
    recorder: Recorder, organization: str, clock: Clock
) -> None:
    (name,) = await begun(recorder, organization, 1)
    table, dynamo = recorder.alerts.table, Dynamo(recorder.stores.aws)
    await dynamo.write(put(table, {"pk": "#active", "sk": f"{organization}-broken#"}))
    clock.now += SILENT_MS
    assert await record_batch(recorder, {"Records": [TICK]}) == {"batchItemFailures": []}
    assert not await recorder.records.live(name)


async def test_tick_whose_rest_cannot_be_sent_is_repeated(
    recorder: Recorder, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_queue: object, _messages: object) -> None:
        raise Unavailable("The queue is down.")

    monkeypatch.setattr(looks, "PORTION", 1)
    monkeypatch.setattr(type(recorder.queue), "send_delayed", refuse)
    await begun(recorder, organization, 2)
    failed = (await record_batch(recorder, {"Records": [TICK]}))["batchItemFailures"]
    assert failed == [{"itemIdentifier": "tick"}]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"look": "x", "organizations": []},
        {"look": "check", "organizations": [1]},
        {"look": "check", "organizations": {"acme": "1"}},
    ],
)
async def test_portion_that_cannot_be_read_fails_alone(recorder: Recorder, message: dict[str, Any]) -> None:
    body = json.dumps({"source": looks.LOOK} | message)
    failed = await record_batch(recorder, {"Records": [{"messageId": "m", "body": body}]})
    assert failed == {"batchItemFailures": [{"itemIdentifier": "m"}]}


def looked_at(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The organizations whose runs are read from now on."""
    found: list[str] = []
    live = recorder.records.live

    async def reading(organization: str) -> list[Subject]:
        found.append(organization)
        return await live(organization)

    monkeypatch.setattr(recorder.records, "live", reading)
    return found


async def looks_of(recorder: Recorder, seen: list[str], organization: str) -> list[bool]:
    """Return for a tick, and for a message that comes between two, if it looks at an organization."""
    found = []
    for body in (TICK, {"messageId": "runs", "body": f'{{"source":"{CHECK_RUNS}"}}'}):
        seen.clear()
        assert await record_batch(recorder, {"Records": [body]}) == {"batchItemFailures": []}
        found.append(organization in seen)
    return found


async def test_organization_is_left_alone_once_nothing_can_change_without_an_event(
    recorder: Recorder,
    organization: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[tuple[str, int, str]],
) -> None:
    await record(recorder, organization, [started(organization, "run_1"), ended(organization, "run_1")])
    seen = looked_at(recorder, monkeypatch)
    assert await looks_of(recorder, seen, organization) == [True, True]  # the first of a process is at all
    clock.pass_time(AFTER_MS["notice_lost_runs"] + 1)
    assert await looks_of(recorder, seen, organization) == [True, True]
    assert await looks_of(recorder, seen, organization) == [True, False]  # windows may still pass
    clock.pass_time(AFTER_MS["check"])
    recorder.quiet.looked_at_all(clock())
    assert await looks_of(recorder, seen, organization) == [True, False]
    assert await looks_of(recorder, seen, organization) == [False, False]
    await record(recorder, organization, [ended(organization, "run_2", clock())])
    assert await looks_of(recorder, seen, organization) == [True, True]


async def test_organization_with_an_active_run_is_never_left_alone(
    recorder: Recorder,
    organization: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[tuple[str, int, str]],
) -> None:
    await begin(recorder, organization)
    seen = looked_at(recorder, monkeypatch)
    for _ in range(3):  # it may fall silent whenever
        clock.pass_time(AFTER_MS["check"] + 1)
        recorder.quiet.looked_at_all(clock())
        assert await looks_of(recorder, seen, organization) == [True, True]


async def test_change_of_a_rule_and_the_check_of_every_hour_wake_a_quiet_organization(
    recorder: Recorder,
    organization: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[tuple[str, int, str]],
) -> None:
    rules, caller = AlertRules(recorder), Principal(organization, "user-1", SCOPES)
    rule = await rules.create(caller, AlertSettings(name="Cost", metric="cost", threshold=1))
    seen = looked_at(recorder, monkeypatch)
    clock.pass_time(AFTER_MS["check"] + 1)
    recorder.quiet.looked_at_all(clock())
    assert await looks_of(recorder, seen, organization) == [True, True]
    assert await looks_of(recorder, seen, organization) == [False, False]
    await rules.change(caller, rule.id, {"threshold": 2})
    assert await looks_of(recorder, seen, organization) == [True, True]
    clock.pass_time(ACTIVE_SECONDS * 1000 + 1)
    assert await looks_of(recorder, seen, organization) == [True, False]  # an hour is over
    assert await looks_of(recorder, seen, organization) == [False, False]


async def test_message_of_an_earlier_release_names_organizations_alone(
    recorder: Recorder, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = looked_at(recorder, monkeypatch)
    body = json.dumps({"source": looks.LOOK, "look": "check", "organizations": [organization]})
    assert await record_batch(recorder, {"Records": [{"messageId": "m", "body": body}]}) == {
        "batchItemFailures": []
    }
    assert seen == [organization]
