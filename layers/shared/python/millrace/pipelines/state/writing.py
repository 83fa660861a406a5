"""The writer: stores rows for their windows and makes sure that the windows are fired.

Blocks are written first and META is read afterwards: a closer that reads the blocks too early has changed
META by then, and is called again. In the other order, an event could be lost in between.
"""

from msgspec.structs import replace

from millrace.pipelines.errors import Contended
from millrace.pipelines.state.meta import Meta, kept_until, read_meta, write_meta
from millrace.pipelines.state.rows import Rows, pack
from millrace.pipelines.state.sessions import SessionWindow
from millrace.pipelines.state.store import Key, Outputs, Store
from millrace.pipelines.state.windows import Window

QUIET_MS = 30_000
_PUSH_MS = 10_000
_ATTEMPTS = 20


def write_window(
    window: Window | SessionWindow,
    bucket: int,
    rows: Rows,
    store: Store,
    outputs: Outputs,
    now: int,
    lag: int = 0,
    backfill: bool = False,
) -> bool:
    """Store the rows of one bucket. Return False if all its windows are closed, so the rows are late.

    `lag` is the delay of the queue (ms). With `backfill`, past windows wait until they get no more events.
    """
    if isinstance(window, SessionWindow):
        # The session of the earliest row may be the first to end.
        last = window.due(min(rows.times))
        store.append(window.key(bucket), pack(rows), max(now, *rows.times) + window.keep_ms)
        return _ensure(
            window.key(bucket), last if not backfill else now + QUIET_MS, store, outputs, now, False
        )
    # A window may be longer than KEEP_MS, and its rows are read when it is due.
    latest = max((window.due(start, lag) for start in window.owners(bucket)), default=now)
    store.append(window.key(bucket), pack(rows), kept_until(now, latest))
    open_ = [
        _ensure(window.key(start), window.due(start, lag), store, outputs, now, backfill)
        for start in window.owners(bucket)
    ]
    return any(open_)


def _ensure(key: Key, due: int, store: Store, outputs: Outputs, now: int, backfill: bool) -> bool:
    """Make sure that a firing of the window will see the blocks written before.

    Return False if it is closed.
    """
    due = max(due, now + QUIET_MS) if backfill else due
    for _ in range(_ATTEMPTS):
        meta = read_meta(store, key)
        if meta is None:
            if write_meta(store, key, Meta(due=due), now):
                outputs.timer(key, due)
                return True
            continue
        if meta.state == "OPEN" and _postpone(meta, due, backfill):
            if write_meta(store, key, replace(meta, due=due), now):
                return True
            continue
        return _call(key, meta, due, outputs)
    raise Contended(str(key))


def _postpone(meta: Meta, due: int, backfill: bool) -> bool:
    """Return whether to postpone a backfilled window, which waits for quiet but not with a write for every
    event."""
    return backfill and meta.due is not None and due > meta.due + _PUSH_MS


def _call(key: Key, meta: Meta, due: int, outputs: Outputs) -> bool:
    """Have the window fired again or earlier, unless it is due anyway. Return False if it is closed."""
    if meta.state in ("CLOSING", "CLOSED"):
        return False
    if meta.state != "OPEN" or (meta.due is not None and due < meta.due):
        outputs.timer(key, due)
    return True
