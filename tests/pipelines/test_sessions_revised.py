"""Results of a session are retracted when a late event moves or merges it, even after a crash."""

from collections.abc import Iterator
from random import Random

import pytest

from millrace.pipelines.event import Event
from millrace.pipelines.plan import Plan
from millrace.pipelines.state.book import Sent, pack_anchors, read_book, write_down
from millrace.pipelines.state.meta import KEEP_MS
from millrace.pipelines.state.store import Key, MemoryStore
from tests.effort import effort, soak
from tests.pipelines.definitions import plan, step
from tests.pipelines.simulator import Simulation, Worker, final_results
from tests.pipelines.test_windows import Live, live
from tests.pipelines.test_windows_simulated import GAP, GROUPED, LONGEST, expected_sessions, found_results
from tests.pipelines.test_windows_simulated import workers as workers

SECOND, MINUTE = 1_000, 60_000
HISTORIES, PORTIONS = effort(900, 20_000), 6
_ITEM_BYTES = 350_000


def _write(made: Live, name: str, seconds: float, now: int) -> None:
    made.write(name, int(seconds * SECOND), now, g="x")
    made.pass_time(now)


def _held(made: Live) -> dict[tuple[int, int], int]:
    """Return what a consumer counts in each span that it keeps."""
    results = final_results([Event(payload, "") for payload in made.sent])
    return {(each["windowStart"], each["windowEnd"]): each["count"] for each in results.values()}


def test_session_that_grew_is_still_taken_back_when_it_moves() -> None:
    made = live(type="session", size=None, gap=8 * SECOND, groupBy=["g"])
    _write(made, "a", 0, 0)
    made.pass_time(18 * SECOND)
    assert _held(made) == {(0, 8_000): 1}
    _write(made, "b", 15, 30 * SECOND)
    _write(made, "c", 7.5, 30 * SECOND)
    _write(made, "d", -0.135, 31 * SECOND)
    made.pass_time(2 * MINUTE)
    assert _held(made) == {(-135, 23_000): 4}
    (retracted,) = [each for each in made.sent if each["count"] == 0]
    assert (retracted["id"], retracted["retracted"]) == (made.sent[0]["id"], True)
    assert retracted["revision"] > made.sent[0]["revision"]
    assert not any("retracted" in each for each in made.sent if each["count"])


class History(Simulation):
    """Events that come in phases of a few seconds, so that sessions grow, move and merge between firings."""

    def __init__(self, made: Plan, workers: list[Worker], seed: int) -> None:
        super().__init__(made, workers, seed)
        self.now = 100_000
        self.events: list[Event] = []
        self.wrong: list[str] = []

    def unfinished(self) -> bool:
        return any(at <= self.now for at, _ in self.waiting)

    def play(self) -> None:
        for _ in range(self.random.randint(2, 6)):
            self.deliver(self.arrived())
            self.turns()
            if self.random.random() < 0.3:
                self.rest()
            self.now += self.random.choice((500, 2_000, 5_000, 12_000))
        self.rest()
        self.now += 1_500_000
        self.drain()
        self.check()

    def arrived(self) -> list[Event]:
        """`n` is one bit per event, so that a sum tells which events are in it."""
        events = []
        for _ in range(self.random.randint(1, 4)):
            at = len(self.events)
            time = self.now - self.random.randrange(0, 16_000)
            payload = {"g": self.random.choice("aab"), "n": float(1 << at)}
            events.append(Event(payload, f"e{at}", "s", time=time, ingested=self.now))
            self.events.append(events[-1])
        return events

    def rest(self) -> None:
        """All is quiet: every session is over, what a consumer holds is exact. Sometimes all is final."""
        self.drain(settled=True)
        self.check()
        if self.random.random() < 0.3:
            self.now += 1_500_000
            self.drain()
            self.check()

    def check(self) -> None:
        if found_results(self.sink) != expected_sessions(self.events):
            self.wrong.append("not exact when quiet")

    def never_twice(self) -> bool:
        """Whatever a consumer has received until now, no event is in two results that it holds."""
        held: dict[str, tuple[int, int]] = {}
        for event in self.sink:
            id, revision = event.payload["id"], event.payload["revision"]
            if revision >= held.get(id, (0, 0))[0]:
                held[id] = revision, int(event.payload["values"].get("sum_n", 0))
            masks = [mask for _, mask in held.values()]
            if sum(masks) != _union(masks):
                return False
        return True


def _union(masks: list[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _wrong(made: Plan, workers: list[Worker], seeds: range) -> Iterator[tuple[int, list[str]]]:
    for seed in seeds:
        history = History(made, workers, seed)
        history.play()
        if history.wrong or not history.never_twice() or history.late_events:
            yield seed, history.wrong


@soak
@pytest.mark.parametrize("portion", range(PORTIONS))
def test_every_event_is_in_exactly_one_session_in_every_history(portion: int, workers: list[Worker]) -> None:
    size = HISTORIES // PORTIONS
    made = plan(step("window", {"type": "session", "gap": GAP, "maxDuration": LONGEST, **GROUPED}))
    assert list(_wrong(made, workers, range(portion * size, (portion + 1) * size))) == []


KEY = Key("t", "p", "s", "book-0")


def test_book_of_long_groups_fits_into_items() -> None:
    store, random = MemoryStore(), Random(1)
    groups = [(b'["%d' % at) + b'\\"' * random.randrange(40_000) + b'"]' for at in range(30)]
    sending: Sent = {(group, at): at for at, group in enumerate(groups, 1)}
    write_down(store, read_book(store, KEY, (), ()), 1, sending, 0, KEEP_MS)
    store.append(KEY, pack_anchors(dict.fromkeys(groups, 0)), 0)
    assert max(len(block) for _, block in store.blocks(KEY)) <= _ITEM_BYTES
    book = read_book(store, KEY, (1,), ())
    assert (book.sent, book.anchors) == (sending, dict.fromkeys(groups, 0))


def test_records_of_a_closer_without_the_lease_are_ignored() -> None:
    store = MemoryStore()
    nothing = read_book(store, KEY, (), ())
    write_down(store, nothing, 2, {(b"[]", 5): 3}, 0, KEEP_MS)
    write_down(store, nothing, 1, {(b"[]", 5): 9, (b"[]", 7): 1}, 0, KEEP_MS)
    assert read_book(store, KEY, (2,), ()).sent == {(b"[]", 5): 3}
    crashed = read_book(store, KEY, (2,), (2,))
    assert (crashed.sent, crashed.unsure) == ({(b"[]", 5): None}, {(b"[]", 5)})


def test_long_book_is_written_anew_and_says_the_same() -> None:
    store, announced = MemoryStore(), tuple(range(1, 41))
    for generation in announced:
        write_down(
            store,
            read_book(store, KEY, announced, ()),
            generation,
            {(b"[]", generation): generation},
            0,
            KEEP_MS,
        )
    long = read_book(store, KEY, announced, ())
    assert long.is_long
    write_down(store, long, 41, {(b"[]", 40): 0}, 0, KEEP_MS)
    store.delete(KEY, long.blocks)
    short = read_book(store, KEY, (41,), ())
    assert short.sent == {(b"[]", at): at for at in range(1, 40)}
    assert not short.is_long
