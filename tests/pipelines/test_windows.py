"""Windows with late, early, future and undated events, groups, days and edited definitions."""

from typing import Any

import pytest

from millrace.pipelines.definitions.steps import Aggregation
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.times import to_ms
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.outcome import Outcome
from millrace.pipelines.plan import Plan
from millrace.pipelines.state.aggregates import Grouping
from millrace.pipelines.state.firing import sweep
from millrace.pipelines.state.rows import identity
from millrace.pipelines.state.store import Key, MemoryStore
from millrace.pipelines.state.windows import Contents, Scope, Window, results
from millrace.pipelines.transform import fire, keep, transform
from tests.effort import effort, soak
from tests.pipelines.definitions import definition, plan, run, step

MINUTE, DAY = 60_000, 86_400_000
COUNTED: dict[str, Any] = {"type": "tumbling", "size": MINUTE, "aggregations": [{"function": "count"}]}


class Live:
    """A pipeline on its own clock: `write` events as they come, `pass_time` to let timers ring."""

    def __init__(self, made: Plan) -> None:
        self.plan, self.store = made, MemoryStore()
        self.timers: list[tuple[int, Key]] = []
        self.sent: list[dict[str, Any]] = []
        self.late_events = 0

    def timer(self, key: Key, at: int) -> None:
        self.timers.append((at, key))

    def send(self, key: Key, events: list[Event]) -> None:
        self.sent += [event.payload for event in events]

    def late(self, key: Key, events: int) -> None:
        self.late_events += events

    def write(
        self, name: str, time: int, now: int, lag: int = 0, backfill: bool = False, **payload: Any
    ) -> Outcome:
        event = Event(payload, name, "s", time=time, ingested=now)
        outcome = transform(self.plan, [event], self.store, now, backfill=backfill)
        for change in outcome.changes:
            keep(self.plan, change, outcome, self.store, self, now, lag, backfill)
        return outcome

    def plan_key(self, start: int) -> Key:
        return Key("tenant", "pipeline", self.plan.steps[0].hash, str(start))

    def pass_time(self, now: int) -> list[tuple[int, int]]:
        """(revision, count) of what is sent until then."""
        before = len(self.sent)
        while due := sorted(timer for timer in self.timers if timer[0] <= now):
            at, key = due[0]
            self.timers.remove(due[0])
            fire(self.plan, key, self.store, self, max(at, now))
        return [(each["revision"], each["count"]) for each in self.sent[before:]]


def live(**config: Any) -> Live:
    given = {name: value for name, value in {**COUNTED, **config}.items() if value is not None}
    return Live(plan(step("window", given)))


def test_window_fires_grace_after_its_end_and_not_before() -> None:
    made = live()
    made.write("a", 10, 20)
    assert made.pass_time(MINUTE + 9_999) == []
    assert made.pass_time(MINUTE + 10_000) == [(0, 1)]


def test_window_waits_for_the_queue_but_at_most_five_times_the_grace() -> None:
    made = live()
    made.write("a", 10, 20, lag=30_000)
    made.write("b", MINUTE + 10, MINUTE + 20, lag=900_000)
    assert made.pass_time(MINUTE + 29_999) == []
    assert made.pass_time(MINUTE + 30_000) == [(0, 1)]
    assert made.pass_time(2 * MINUTE + 49_999) == []
    assert made.pass_time(2 * MINUTE + 50_000) == [(0, 1)]


def test_late_event_fires_again_with_a_higher_revision_and_all_values() -> None:
    made = live()
    made.write("a", 10, 20)
    made.pass_time(2 * MINUTE)
    made.write("b", 30, 3 * MINUTE)
    assert made.pass_time(3 * MINUTE) == [(1, 2)]
    made.write("b", 30, 3 * MINUTE)
    assert made.pass_time(4 * MINUTE) == [], "a repetition changes nothing"
    assert len({each["id"] for each in made.sent}) == 1


@pytest.mark.parametrize(("policy", "dead_letters"), [("drop", 0), ("dlq", 1)])
def test_event_beyond_the_allowed_lateness_is_counted_and_dropped_or_kept(
    policy: str, dead_letters: int
) -> None:
    made = live(late=policy)
    after = MINUTE + 10_000 + 300_000
    assert made.write("in time", 10, after).counts[0].late == 0
    outcome = made.write("late", 10, after + 1)
    assert outcome.counts[0].late == 1
    assert [dead_letter.code for dead_letter in outcome.dead_letters] == ["late"] * dead_letters


def test_event_for_a_window_that_was_cleared_is_late_however_it_came() -> None:
    made = live(late="dlq")
    made.write("a", 10, 20)
    made.pass_time(MINUTE + 10_000)
    closing = MINUTE + 10_000 + 300_000 + 900_000
    sweep(made.store, made, closing + 60_001)
    made.pass_time(closing + 60_001)
    assert made.store.blocks(made.plan_key(0)) == []
    event = Event({}, "b", "s", time=10, ingested=20)
    outcome = transform(made.plan, [event], made.store, closing)
    for change in outcome.changes:
        keep(made.plan, change, outcome, made.store, made, closing)
    assert (outcome.counts[0].late, outcome.counts[0].held, len(outcome.dead_letters)) == (1, 0, 1)


def test_sweeper_fires_what_a_lost_timer_did_not() -> None:
    made = live()
    made.write("a", 10, 20)
    made.timers.clear()
    assert sweep(made.store, made, MINUTE + 10_000 + 60_000) == 0
    assert sweep(made.store, made, MINUTE + 10_000 + 60_001) == 1
    assert made.pass_time(3 * MINUTE) == [(0, 1)]


def test_backfill_fires_once_per_window_when_it_is_quiet() -> None:
    made = live()
    now = 10 * DAY
    for at in range(5):
        made.write(f"e{at}", 10, now + at * 15_000, backfill=True)
        assert made.pass_time(now + at * 15_000) == []
    assert made.pass_time(now + 4 * 15_000 + 29_999) == []
    assert made.pass_time(now + 4 * 15_000 + 30_000) == [(0, 5)]


def test_event_far_in_the_future_is_refused_and_a_little_early_is_not() -> None:
    made = live()
    assert made.write("early", DAY, 0).counts[0].held == 1
    outcome = made.write("future", DAY + 1, 0)
    assert [dead_letter.code for dead_letter in outcome.dead_letters] == ["future_time"]


TIMED = {**COUNTED, "timeField": "at"}
UNDATED: list[dict[str, Any]] = [{}, {"at": None}, {"at": "yesterday"}, {"at": True}, {"at": 1e300}]


def test_missing_or_unreadable_time_follows_on_error() -> None:
    _, local = run([step("window", TIMED)], *UNDATED)
    assert len(local.dead_letters) == len(UNDATED)
    assert "ISO 8601" in local.dead_letters[1].message
    outputs, local = run([step("window", TIMED, onError="null")], *UNDATED)
    assert [each["count"] for each in outputs] == [len(UNDATED)], "the event's own time stands in"
    assert local.dead_letters == []


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:01:30Z", "1970-01-01T02:01:30+02:00", "1970-01-01T00:01:30", 90_000]
)
def test_times_are_read_in_every_usual_form(time: Any) -> None:
    outputs, _ = run([step("window", TIMED)], {"at": time, "t": 90_000})
    assert outputs[0]["windowStart"] == MINUTE


NOW = 1_795_262_400_000  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize("time", [NOW, NOW // 1000, NOW / 1000, "2026-11-21T12:00:00Z"])
def test_times_in_seconds_milliseconds_and_iso_fall_into_the_same_window(time: Any) -> None:
    outputs, local = run([step("window", TIMED)], {"at": time, "t": NOW})
    assert local.dead_letters == []
    assert outputs[0]["windowStart"] == NOW


def test_windows_are_half_open_and_reach_before_the_epoch() -> None:
    times = [-1, 0, MINUTE - 1, MINUTE]
    outputs, _ = run([step("window", COUNTED)], *[{"t": time} for time in times])
    assert [(each["windowStart"], each["count"]) for each in outputs] == [(-MINUTE, 1), (0, 2), (MINUTE, 1)]


def test_sliding_window_counts_an_event_in_each_window_that_holds_it() -> None:
    config = {**COUNTED, "type": "sliding", "size": 3 * MINUTE, "slide": MINUTE}
    outputs, _ = run([step("window", config)], {"t": 5 * MINUTE})
    assert [each["windowStart"] for each in outputs] == [3 * MINUTE, 4 * MINUTE, 5 * MINUTE]


def test_day_is_always_24_hours_also_when_clocks_change() -> None:
    """Berlin's clocks went forward on 29 March 2026: local midnight moves by an hour, the windows do not."""
    config = {**COUNTED, "size": DAY, "offset": 23 * 3_600_000, "timeField": "at"}
    before, after = "2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00"
    starts = [
        each["windowStart"]
        for each in run([step("window", config)], {"at": before, "t": 2**41}, {"at": after, "t": 2**41})[0]
    ]
    assert starts[0] == to_ms(before), "in winter the window begins at local midnight"
    assert starts[1] == to_ms(after) - 23 * 3_600_000, "in summer at one o'clock of the day before"


def test_edited_definition_does_not_meet_the_old_state() -> None:
    made = live()
    made.write("a", 10, 20)
    made.plan = plan(step("map", {"expression": {"n": "1"}}), step("window", COUNTED))
    made.write("b", 10, 30)
    assert made.pass_time(2 * MINUTE) == [(0, 1)], "the new version's event alone"
    assert len(made.store.due(2**50, 10)) == 2, "the old one's window waits for its own plan"


def test_group_without_numbers_gives_null_and_says_what_it_skipped() -> None:
    functions = ["sum", "avg", "min", "max", "stddev", "p95", "first", "count", "countDistinct"]
    config = {
        **COUNTED,
        "groupBy": ["g"],
        "aggregations": [{"field": "n", "function": name} for name in functions],
    }
    outputs, _ = run([step("window", config)], {"g": "a"}, {"n": None})
    assert [each["group"] for each in outputs] == [{"g": "a"}, {"g": None}]
    assert outputs[0]["values"] == dict.fromkeys([f"{name}_n" for name in functions]) | {
        "count_n": 0,
        "countDistinct_n": 0,
    }
    assert outputs[0]["skipped"]["sum_n"] == 1


AGGREGATES = [
    ("sum", [0.1] * 10, 1),
    ("sum", [1e16, 1, -1e16], 1),
    ("sum", [1e308, 1e308], None),
    ("avg", [1, 2, "x", None, True], 1.5),
    ("min", [3, 1.5], 1.5),
    ("max", ["9", 2], 2),
    ("stddev", [2, 4, 4, 4, 5, 5, 7, 9], 2.138089935299395),
    ("stddev", [1], None),
    ("p50", [1, 2, 3, 4], 2.5),
    ("p99", [5], 5),
    ("first", ["b", "a"], "b"),
    ("last", [{"x": 1}, ["y"]], ["y"]),
    ("count", [1, None, "x"], 2),
    ("countDistinct", [1, 1.0, "1", True, None, {"a": 1, "b": 2}, {"b": 2, "a": 1}], 4),
]


@pytest.mark.parametrize(("function", "numbers", "expected"), AGGREGATES)
def test_aggregate_is_what_it_says(function: str, numbers: list[Any], expected: Any) -> None:
    config = {**COUNTED, "aggregations": [{"field": "n", "function": function, "alias": "it"}]}
    outputs, _ = run([step("window", config)], *[{"n": n} for n in numbers])
    assert outputs[0]["values"]["it"] == expected


def test_percentile_takes_its_p() -> None:
    config = {**COUNTED, "aggregations": [{"field": "n", "function": "percentile", "p": 25}]}
    assert run([step("window", config)], *[{"n": n} for n in range(5)])[0][0]["values"] == {"percentile_n": 1}


@soak
def test_window_of_very_many_groups_comes_out_group_by_group() -> None:
    grouping = Grouping(["g"], [Aggregation(function="count")])
    config = definition(step("window", COUNTED)).transforms[0].config
    window = Window(Scope("t", "p", "s"), config, grouping)  # type: ignore[arg-type]
    rows = grouping.empty()
    many = effort(100_000, 1_000_000)
    rows.ids.extend(range(many))
    rows.groups.extend(rows.enter(b"[%d]" % at for at in range(many)))
    rows.times.extend([0] * many)
    contents = Contents(grouping, [(Key("t", "p", "s", "0"), "block", rows)])
    outputs = results(window, 0, contents.rows(), grouping.empty(), 0)
    assert next(outputs).payload["group"] == {"g": 0}
    assert sum(1 for _ in outputs) == many - 1


def test_session_joins_what_a_late_event_bridges_and_takes_the_other_back() -> None:
    made = live(type="session", size=None, gap=1_000, groupBy=["g"])
    for name, time in (("a", 0), ("b", 1_500)):
        made.write(name, time, 2_000, g="x")
    assert [count for _, count in made.pass_time(MINUTE)] == [1, 1]
    made.write("bridge", 800, MINUTE, g="x")
    made.pass_time(2 * MINUTE)
    final = {each["id"]: each for each in sorted(made.sent, key=lambda each: each["revision"])}
    assert sorted((each["windowStart"], each["windowEnd"], each["count"]) for each in final.values()) == [
        (0, 2_500, 3),
        (1_500, 2_500, 0),
    ]


def test_session_is_cut_at_its_longest_duration() -> None:
    config = {"type": "session", "gap": 2_000, "maxDuration": 5_000, "aggregations": [{"function": "count"}]}
    outputs, _ = run([step("window", config)], *[{"t": at * 1_000} for at in range(12)])
    assert [(each["windowStart"], each["count"]) for each in outputs] == [(0, 5), (5_000, 5), (10_000, 2)]


def test_session_state_does_not_grow_with_time() -> None:
    made = live(type="session", size=None, gap=1_000, groupBy=["g"], allowedLateness=0)
    for at in range(40):
        now = at * 1_200_000
        made.write(f"e{at}", now, now, g="x")
        made.pass_time(now + 600_000)
    assert len(made.sent) == 40
    blocks = [key for key in made.store._blocks if key.part.startswith("session")]
    assert sum(len(made.store.blocks(key)) for key in blocks) <= 3
    assert made.late_events == 0


def test_same_id_from_two_sources_is_two_events() -> None:
    assert identity("a", "bc") != identity("ab", "c")


def test_batch_that_is_full_goes_on_at_once_and_the_rest_when_its_time_is_over() -> None:
    made = Live(plan(step("batch", {"size": 2, "timeout": 5_000})))
    for at in range(3):
        made.write(f"e{at}", 0, 100 + at, n=at)
    for at in sorted({timer[0] for timer in made.timers if timer[0] < 5_000}):
        due = [timer for timer in made.timers if timer[0] == at]
        for timer in due:
            made.timers.remove(timer)
            fire(made.plan, timer[1], made.store, made, at)
    assert [each["count"] for each in made.sent] == [2]
    for at, key in list(made.timers):
        fire(made.plan, key, made.store, made, max(at, 5_000))
    assert [each["count"] for each in made.sent] == [2, 1]
    assert [item["n"] for each in made.sent for item in each["items"]] == [0, 1, 2]


def test_steps_after_a_window_see_its_result() -> None:
    mapped = step(
        "map", {"expression": {"n": "values.count", "start": "$meta.window.start", "r": "revision"}}
    )
    assert run([step("window", COUNTED), mapped], {"t": 1})[0] == [{"n": 1, "start": 0, "r": 0}]


def test_local_run_counts_what_windows_hold() -> None:
    outputs, local = run([step("window", COUNTED)], {"t": 1}, {"t": 2})
    assert isinstance(local, LocalRun)
    assert local.counts[0].held == 2
    assert outputs[0]["count"] == 2
