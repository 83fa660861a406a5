"""Viewers see the filtered events of their organization, and resume without gaps."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import orjson
import pytest

from millrace.domain.command_center import EVENT_TYPES, Filters
from millrace.domain.record import Subject, apply, check_event, split_id
from millrace.services.command_center.record import Recorder, record
from millrace.services.command_center.view import Viewer, snapshot, watch
from millrace.settings import Settings
from tests.api.voicing import voice_client
from tests.command_center.making import ended, started, whole_run
from tests.command_center.viewing import STREAM, get, resuming, until, viewing
from tests.sse import Sent
from tests.tokens import Issuer


def runs_of(events: list[Sent]) -> set[str]:
    return {event.data["runId"] for event in events}


async def test_viewer_sees_its_own_organizations_events_only(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    await record(recorder, f"{organization}-b", whole_run(f"{organization}-b", "run_b"))
    await record(recorder, organization, whole_run(organization, "run_a"))
    with viewing(center, since=0) as events:
        seen = until(events, "run:completed")
    assert [event.data for event in seen] == whole_run(organization, "run_a")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"agentIds": "one,three"}, {("run_1", "run:completed"), ("run_3", "run:completed")}),
        ({"runIds": "run_2"}, {("run_2", "run:completed")}),
        ({"agentIds": "one,two", "runIds": "run_1,run_3"}, {("run_1", "run:completed")}),
    ],
)
async def test_filters_are_applied_on_the_server(
    recorder: Recorder,
    center: httpx.Client,
    organization: str,
    query: dict[str, str],
    wanted: set[tuple[str, str]],
) -> None:
    for run, agent in (("run_1", "one"), ("run_2", "two"), ("run_3", "three")):
        await record(recorder, organization, whole_run(organization, run, agent=agent))
    types = "run:completed,run:error"
    with viewing(center, since=0, eventTypes=types, **query) as events:
        seen = until(events, "run:completed", len(wanted))
    assert {(event.data["runId"], event.data["type"]) for event in seen} == wanted


def test_unknown_event_type_in_a_filter_is_refused(center: httpx.Client) -> None:
    response = center.get(STREAM, params={"eventTypes": "run:started,run:invented"})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "unknown_event_type"
    assert "run:invented" in response.json()["error"]["message"]


@pytest.mark.parametrize("scope", ["chat", "agents:write"])
def test_viewing_needs_the_scope_observe(
    center_url: str, issuer: Issuer, organization: str, scope: str
) -> None:
    for path in (STREAM, "/api/command-center/snapshot", "/api/command-center/alerts"):
        response = httpx.get(center_url + path, headers=issuer.headers(organization, scope=scope))
        assert response.status_code == 403


async def test_viewer_that_drops_resumes_without_gap_or_repetition(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    await record(recorder, organization, whole_run(organization, "run_1"))
    with viewing(center, since=0) as events:
        before = [next(events) for _ in range(4)]
    await record(recorder, organization, whole_run(organization, "run_2"))
    with resuming(center, before[-1].id) as events:
        after = until(events, "run:completed", 2)
    seen = [event.data for event in [*before, *after]]
    assert seen == [*whole_run(organization, "run_1"), *whole_run(organization, "run_2")]
    assert [event.seq for event in [*before, *after]] == list(range(1, len(seen) + 1))


async def test_viewer_that_saw_nothing_resumes_where_it_came(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    await record(recorder, organization, whole_run(organization, "run_1"))
    with resuming(center, None) as events:
        first = next(events)
    assert (first.data, first.id) == ({"type": "heartbeat"}, "9")
    await record(recorder, organization, whole_run(organization, "run_2"))
    with viewing(center, since=first.id) as events:
        assert runs_of(until(events, "run:completed")) == {"run_2"}


async def test_snapshot_and_stream_miss_nothing_while_runs_start_and_end(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    for n in range(6):
        await record(recorder, organization, whole_run(organization, f"run_{n}")[:3])
    for n in range(2):
        await record(recorder, organization, whole_run(organization, f"run_{n}")[3:])
    seen = get(center, "/api/command-center/snapshot").json()
    shown = {run["runId"] for run in seen["runs"]}
    assert shown == {"run_2", "run_3", "run_4", "run_5"}
    await record(recorder, organization, whole_run(organization, "run_6"))
    await record(recorder, organization, whole_run(organization, "run_2")[3:])
    with viewing(center, since=seen["since"]) as events:
        for event in until(events, "run:completed", 2):
            if event.data["type"] == "run:started":
                assert event.data["runId"] not in shown
                shown.add(event.data["runId"])
            elif event.data["type"] == "run:completed":
                shown.remove(event.data["runId"])
    live = {subject.id for subject in await recorder.records.live(organization)}
    assert shown == live == {"run_3", "run_4", "run_5"}


async def test_snapshot_is_filtered_too(recorder: Recorder, organization: str) -> None:
    events = [started(organization, "run_1", agent="one"), started(organization, "run_2", agent="two")]
    await record(recorder, organization, events)
    seen = await snapshot(recorder, organization, Filters.parse("two", "", ""))
    assert [run["runId"] for run in seen["runs"]] == ["run_2"]


async def test_events_that_passed_out_of_the_log_are_told(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    for n in range(3):
        await record(recorder, organization, [started(organization, f"run_{n}")])
    recorder.stores.aws.client("dynamodb").delete_item(
        TableName=recorder.records._table,
        Key={"pk": {"S": f"{organization}#center"}, "sk": {"S": f"{1:012d}"}},
    )
    with viewing(center, since=0) as events:
        seen = until(events, "run:started")
    assert [(event.data["type"], event.id) for event in seen] == [("resync", "1"), ("run:started", "2")]


async def test_number_from_the_future_begins_now(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    with viewing(center, since=10**9) as events:
        await record(recorder, organization, [ended(organization, "run_1")])
        assert until(events, "run:completed")[0].seq == 1


def test_named_events_carry_their_type_in_the_frame(center: httpx.Client) -> None:
    with center.stream("GET", STREAM, params={"events": "named"}) as response:
        lines: Iterator[str] = response.iter_lines()
        assert [next(lines), next(lines)] == ["retry: 1000", ""]
        assert next(lines) == "event: heartbeat"


def test_every_event_type_is_documented_with_an_example_that_could_be_recorded() -> None:
    lines = (Path(__file__).parents[2] / "docs/command-center.md").read_text().splitlines()
    examples = [orjson.loads(line) for line in lines if line.startswith('{"id"')]
    assert {event["type"] for event in examples} == set(EVENT_TYPES)
    for event in examples:
        if not event["type"].startswith("alert:"):
            assert check_event(event) == event
            assert apply(Subject(split_id(event["id"])[0]), event)


async def test_fifty_viewers_of_fifty_runs_each_see_everything_once(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    wholes = [whole_run(organization, f"run_{n}") for n in range(50)]
    runs = [[run[0], run[4], run[-1]] for run in wholes]

    def watch_all(viewer: int) -> list[Sent]:
        with viewing(center, since=0) as events:
            return until(events, "run:completed", len(runs))

    with ThreadPoolExecutor(50) as pool:
        watching = [pool.submit(watch_all, viewer) for viewer in range(50)]
        for step in range(3):
            turn = [run[step] for run in runs]
            batches = [turn[at : at + 10] for at in range(0, 50, 10)]
            await asyncio.gather(*(record(recorder, organization, batch) for batch in batches))
        seen = [await asyncio.wrap_future(one) for one in watching]
    everything = sorted(event["id"] for run in runs for event in run)
    assert all(sorted(event.data["id"] for event in one) == everything for one in seen)
    assert all([event.seq for event in one] == list(range(1, 151)) for one in seen)


async def test_viewer_who_takes_a_snapshot_in_a_storm_ends_up_with_what_is_live(
    recorder: Recorder, organization: str
) -> None:
    storm = [whole_run(organization, f"run_{n}")[: 3 if n % 3 == 0 else 9] for n in range(24)]

    async def blow() -> None:
        for at in range(0, len(storm), 3):
            await asyncio.gather(*(record(recorder, organization, run) for run in storm[at : at + 3]))

    async def view() -> set[str]:
        seen = await snapshot(recorder, organization, Filters())
        shown = {run["runId"] for run in seen["runs"]}
        async for events in watch(recorder, organization, Viewer(Filters()), seen["since"]):
            for event in events:
                if event.type == "run:started":
                    shown.add(event.event["runId"])
                elif event.type == "run:completed":
                    shown.discard(event.event["runId"])
            if events[-1].seq == sum(map(len, storm)):
                break
        return shown

    blowing = asyncio.create_task(blow())
    views = await asyncio.gather(*(view() for _ in range(5)))
    await blowing
    live = {subject.id for subject in await recorder.records.live(organization)}
    assert live == {f"run_{n}" for n in range(0, 24, 3)}
    assert views == [live] * 5


@pytest.fixture
def visitor(center_url: str) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=center_url, timeout=30) as client:
        yield client


async def test_viewer_with_a_ticket_that_received_nothing_misses_nothing(
    recorder: Recorder, visitor: httpx.Client, settings: Settings, issuer: Issuer, organization: str
) -> None:
    """`EventSource` comes back with the same URL, and without an id when it has received none."""
    await record(recorder, organization, whole_run(organization, "run_1"))
    with voice_client(settings, issuer, organization) as tickets:
        url = tickets.post("/api/stream-tickets", json={"path": STREAM}).json()["url"]
    with resuming(visitor, None, url):
        pass
    await record(recorder, organization, whole_run(organization, "run_2"))
    with resuming(visitor, None, url) as events:
        first = until(events, "run:completed")
    assert runs_of(first) == {"run_2"}
    with resuming(visitor, first[3].id, url) as events:
        assert until(events, "run:completed") == first[4:]
    visitor.headers["user-agent"] = "curl/8"
    assert get(visitor, url).status_code == 401
