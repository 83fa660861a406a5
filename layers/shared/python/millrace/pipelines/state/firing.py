"""The closer and the sweeper.

A closer takes a lease with a conditional write (FIRING, generation + 1), then reads the blocks, sends what is
new, and ends with FIRED if the generation is still its own. The revision of a result is its generation minus
one: of two closers that both send, the one that saw more has the higher revision. A closer may crash anywhere
and be called any number of times.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from millrace.pipelines.event import Event
from millrace.pipelines.state import sessions, windows
from millrace.pipelines.state.book import Anchors, Book, pack_anchors, read_book, write_down
from millrace.pipelines.state.covered import cover, covered_by, uncover
from millrace.pipelines.state.meta import Meta, acquire, read_meta, write_meta
from millrace.pipelines.state.rows import Rows
from millrace.pipelines.state.sessions import SessionWindow
from millrace.pipelines.state.store import Agenda, Alarm, Key, Outputs, Store
from millrace.pipelines.state.windows import Contents, Window, read_contents

SEND_EVENTS = 500
_CLOSE_LATER_MS = 60_000
_OVERDUE_MS = 60_000
_TIMER_MS = 900_000
_SWEEP_EVERY_MS = 60_000


def fire_window(window: Window, key: Key, store: Store, outputs: Outputs, now: int) -> None:
    """Fire the timer of a tumbling or sliding window."""
    meta, start = read_meta(store, key), int(key.part)
    if meta is None:
        return
    if meta.state == "OPEN" and meta.due is not None and meta.due > now:
        outputs.timer(key, meta.due)
    elif meta.state == "CLOSED":
        _empty(window, start, meta, store, now)
    elif meta.state == "CLOSING":
        _closing(window, start, meta, store, outputs, now)
    elif meta.state == "FIRED" and not _has_news(window, start, meta, store):
        _close(window, start, meta, store, outputs, now)
    else:
        _fire(window, start, meta, store, outputs, now)


def _fire(window: Window, start: int, meta: Meta, store: Store, outputs: Outputs, now: int) -> None:
    key = window.key(start)
    firing = acquire(store, outputs, key, meta, now)
    if firing is None:
        return
    contents = _read(window, start, store)
    revision = firing.generation - 1
    before = contents.rows(covered_by(store, key, firing))
    _send(outputs, key, windows.results(window, start, contents.rows(), before, revision))
    fired = replace(firing, state="FIRED", due=max(window.closable(start), now), fired_at=now)
    fired = cover(store, key, fired, contents.digests(), now)
    if write_meta(store, key, fired, now):
        uncover(store, key, firing, firing.generation)


def _has_news(window: Window, start: int, meta: Meta, store: Store) -> bool:
    """Return whether there are events that the last firing has not covered."""
    contents = _read(window, start, store)
    return contents.has_news(covered_by(store, window.key(start), meta))


def _read(window: Window, start: int, store: Store) -> Contents:
    return read_contents(store, map(window.key, window.panes(start)), window.grouping)


def _send(outputs: Outputs, key: Key, events: Iterable[Event]) -> None:
    chunk: list[Event] = []
    for event in events:
        chunk.append(event)
        if len(chunk) == SEND_EVENTS:
            outputs.send(key, chunk)
            chunk = []
    if chunk:
        outputs.send(key, chunk)


def _close(window: Window, start: int, meta: Meta, store: Store, outputs: Outputs, now: int) -> None:
    """Close a fired window after its lateness, once earlier ones, which share panes, are closed."""
    if meta.due is None or meta.due > now:
        return
    earlier = [read_meta(store, window.key(other)) for other in window.owners(start)[:-1]]
    if any(other is not None and other.state != "CLOSED" for other in earlier):
        outputs.timer(window.key(start), now + _CLOSE_LATER_MS)
        return
    closing = write_meta(store, window.key(start), replace(meta, state="CLOSING", due=now), now)
    if closing:
        _closing(window, start, closing, store, outputs, now)


def _closing(window: Window, start: int, closing: Meta, store: Store, outputs: Outputs, now: int) -> None:
    """Finish closing a window.

    A writer that saw the window before it was CLOSING has written its block before: it is found here, and the
    window opens again. CLOSED is final, and only then is anything deleted.
    """
    key = window.key(start)
    if _has_news(window, start, closing, store):
        if write_meta(store, key, replace(closing, state="OPEN", due=now), now):
            outputs.timer(key, now)
        return
    closed = write_meta(
        store, key, replace(closing, state="CLOSED", due=now, covered=frozenset(), spilled=0), now
    )
    if closed:
        uncover(store, key, closing, closing.generation + 1)
        _empty(window, start, closed, store, now)


def _empty(window: Window, start: int, closed: Meta, store: Store, now: int) -> None:
    """Delete the panes that no later window needs."""
    if closed.due is None:
        return
    for pane in window.panes(start):
        if pane < start + window.slide:
            pane_key = window.key(pane)
            store.delete(pane_key, [name for name, _ in store.blocks(pane_key)])
    # `due` is last: after a crash before this line, the sweep calls again, and the rest is deleted.
    write_meta(store, window.key(start), replace(closed, due=None), now)


def fire_sessions(
    window: SessionWindow, key: Key, store: Store, outputs: Outputs, now: int, lag: int = 0
) -> None:
    """Fire the timer of a part of a session window."""
    meta = read_meta(store, key)
    firing = acquire(store, outputs, key, meta, now) if meta else None
    if firing is None:
        return
    book = read_book(store, window.book_key(key), firing.announced, firing.unended)
    contents = read_contents(store, [key], window.grouping)
    revision = firing.generation - 1
    found = sessions.results(window, contents.rows(), book.anchors, book.sent, revision, now, lag)
    noted = _announce(window, store, key, book, firing, found, now)
    if noted is None:
        return
    _send(outputs, key, found.outputs)
    # After sending only: rows up to an anchor are ignored, so a crash in between would lose their result.
    if found.final:
        store.append(book.key, pack_anchors(found.final), now + window.keep_ms)
    _count_late(contents, firing, book.anchors, key, store, outputs)
    if _sessions_fired(noted, found, contents, key, store, outputs, now):
        uncover(store, key, firing, firing.generation)
        _forget(key, contents, {**book.anchors, **found.final}, book, store)


def _announce(
    window: SessionWindow, store: Store, key: Key, book: Book, firing: Meta, found: sessions.Firing, now: int
) -> Meta | None:
    """Record what is about to be sent, so that the next closer after a crash knows what to retract.

    Return None if another closer has taken over, and nothing may be sent.
    """
    said = write_down(store, book, firing.generation, found.sending, now, window.keep_ms)
    if not said and not found.final:
        return firing
    announced = (firing.generation,) if book.is_long else (*firing.announced, firing.generation)
    noted = replace(firing, announced=announced, unended=(*firing.unended, firing.generation))
    return write_meta(store, key, noted, now)


def _count_late(
    contents: Contents, firing: Meta, anchors: Anchors, key: Key, store: Store, outputs: Outputs
) -> None:
    """Count rows that came after their session had closed.

    A closer that has lost the lease does not count, because previously covered rows may have been deleted.
    """
    covered = contents.rows(covered_by(store, key, firing))
    late = _behind(contents.rows(), anchors) - _behind(covered, anchors)
    if late and (now := read_meta(store, key)) and now.generation == firing.generation:
        outputs.late(key, late)


def _behind(rows: Rows, anchors: Anchors) -> int:
    limits = [anchors.get(key) for key in rows.table]
    pairs = zip(rows.groups, rows.times, strict=True)
    return sum(1 for group, time in pairs if (limit := limits[group]) is not None and time <= limit)


def _sessions_fired(
    firing: Meta,
    found: sessions.Firing,
    contents: Contents,
    key: Key,
    store: Store,
    outputs: Outputs,
    now: int,
) -> bool:
    state = cover(store, key, replace(firing, fired_at=now, unended=()), contents.digests(), now)
    if found.due is None:
        return write_meta(store, key, replace(state, state="FIRED", due=found.settles), now) is not None
    written = write_meta(store, key, replace(state, state="OPEN", due=found.due), now)
    if written:
        outputs.timer(key, found.due)
    return written is not None


def _forget(key: Key, contents: Contents, anchors: Anchors, book: Book, store: Store) -> None:
    """Delete blocks with only rows up to their anchors, and those of a rewritten book."""
    done = [name for _, name, rows in contents.blocks if _behind(rows, anchors) == len(rows)]
    if done:
        store.delete(key, done)
    if book.is_long:
        store.delete(book.key, book.blocks)


def sweep(store: Agenda, outputs: Alarm, now: int, limit: int = 1_000) -> int:
    """Send timers that were too far ahead for queues (at most 15 minutes), and overdue ones again.

    Runs every minute, and returns the number of timers sent.
    """
    sent = 0
    for due, key in store.due(now + _TIMER_MS, limit):
        # Two sweeps see each timer within the queue's range, so that one that fails loses none.
        if due < now - _OVERDUE_MS or due > now + _TIMER_MS - 2 * _SWEEP_EVERY_MS:
            outputs.timer(key, max(due, now))
            sent += 1
    return sent
