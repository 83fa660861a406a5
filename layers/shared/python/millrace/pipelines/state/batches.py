"""`batch`: items collected up to a number, up to the size of a message, or until a timeout.

An item belongs to the slot of its ingest time (`timeout` long), so that a redelivered item meets itself. A
batch exists once it is sealed: a list of its items' hashes in a register that is written only if it is
unchanged. So two closers can never put an item into two batches, and a batch that is sent again is the same.
"""

import zlib
from base64 import b64decode, b64encode

import orjson
from msgspec import Struct, field

from millrace.domain.portions import portions
from millrace.pipelines.definitions.steps import BatchConfig
from millrace.pipelines.errors import Contended, EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.limits import BATCH_BYTES, BLOCK_BYTES
from millrace.pipelines.state.meta import KEEP_MS, LEASE_MS, kept_until
from millrace.pipelines.state.outputs import output_id
from millrace.pipelines.state.rows import canonical, identity
from millrace.pipelines.state.store import Key, Outputs, Store
from millrace.pipelines.state.windows import Scope

_SEAL_BYTES = 200_000
_ITEM_BYTES = 300_000
_ATTEMPTS = 20
_COUNT = 1 << 48
"""A slot's counter has bytes below this bit and items above it, so one write counts both."""
BatchItem = tuple[int, int, str, Payload, str, int, str]
"""Hash, time, id, payload, type, hops, sequence."""
_ADDED = ("item", 0, "")
"""Type, hops and sequence of items stored by earlier releases."""
Seal = list[int]


class Batch(Struct, frozen=True):
    """A compiled batch step."""

    scope: Scope
    config: BatchConfig

    def bucket(self, ingested: int) -> int:
        """Return the start of the slot."""
        return ingested // self.config.timeout * self.config.timeout

    def key(self, slot: int) -> Key:
        return self.scope.key(f"batch-{slot}")

    def seals_key(self, slot: int, number: int) -> Key:
        return self.scope.key(f"seals-{slot}-{number}")

    def due(self, slot: int) -> int:
        return slot + self.config.timeout


def item_of(event: Event, payload: Payload) -> BatchItem:
    """Return the item to keep of an event. Raises `EvaluationError` if it is too large."""
    if len(canonical(payload)) > _ITEM_BYTES:
        raise EvaluationError(f"An item of a batch must not exceed {_ITEM_BYTES:,} bytes as JSON.")
    return (
        identity(event.source, event.id),
        event.time,
        event.id,
        payload,
        event.type,
        event.hops,
        event.sequence,
    )


def write_batch(
    batch: Batch, slot: int, items: list[BatchItem], store: Store, outputs: Outputs, now: int
) -> None:
    """Keep the items of a slot, and make sure that `fire_batch` is called.

    That is at the end of the slot, and immediately whenever another batch may be full. Blocks are written
    before the register, as in `writing`.
    """
    key, due, size = batch.key(slot), batch.due(slot), batch.config.size
    store.append(key, _pack(items), kept_until(now, due))
    state = _state(store, key)
    if state.version == 0 and store.write(key, _OPEN, 0, kept_until(now, due), due):
        outputs.timer(key, due)
    elif state.version == 0 or state.ending:
        outputs.timer(key, max(now, due))
    more = sum(map(_bytes, items))
    count, bytes = divmod(store.count(key, len(items) * _COUNT + more), _COUNT)
    if count // size > (count - len(items)) // size or bytes // BATCH_BYTES > (bytes - more) // BATCH_BYTES:
        outputs.timer(key, now)


def _bytes(item: BatchItem) -> int:
    """Return the bytes that an item adds to its batch, with the comma."""
    return len(canonical(item[3])) + 1


class _State(Struct, frozen=True):
    """A slot's register: how many of its batches were certainly sent, and whether its time is up."""

    sent: int = 0
    ending: bool = False
    version: int = 0


_OPEN = orjson.dumps([0, False])


def _state(store: Store, key: Key) -> _State:
    register = store.read(key)
    if register is None:
        return _State()
    sent, ending = orjson.loads(register.data)
    return _State(sent, ending, register.version)


def _advance(store: Store, key: Key, sent: int, ending: bool, now: int, due: int | None) -> None:
    """Record progress, which is never undone."""
    for _ in range(_ATTEMPTS):
        state = _state(store, key)
        data = orjson.dumps([max(sent, state.sent), ending or state.ending])
        if store.write(key, data, state.version, kept_until(now, due or 0), due):
            return
    raise Contended(str(key))


def _pack(items: list[BatchItem]) -> list[bytes]:
    block = zlib.compress(orjson.dumps(items), 1)
    if len(block) <= BLOCK_BYTES or len(items) == 1:
        return [block]
    middle = len(items) // 2
    return _pack(items[:middle]) + _pack(items[middle:])


class _Slot(Struct):
    """A slot as its closer has read it.

    It has the items by hash, the items of each block, and the sealed batches. `last` is the register that
    still has room.
    """

    items: dict[int, BatchItem] = field(default_factory=dict)
    blocks: dict[str, list[int]] = field(default_factory=dict)
    seals: list[Seal] = field(default_factory=list)
    last: int = 0
    last_seals: list[str] = field(default_factory=list)
    last_version: int = 0


def fire_batch(batch: Batch, key: Key, store: Store, outputs: Outputs, now: int) -> None:
    """Fire a timer: seal what can be sealed, send what is sealed, delete what is sent."""
    slot = int(key.part.removeprefix("batch-"))
    over = now >= batch.due(slot)
    if over:
        # Recorded before the blocks are read, so that whoever writes one afterwards calls this again.
        _advance(store, key, 0, True, now, now + LEASE_MS)
    for _ in range(_ATTEMPTS):
        slot_state = _read(batch, slot, store)
        free = _free(slot_state)
        if _seal(batch, slot, slot_state, free, over, store, now):
            break
    else:
        raise Contended(str(key))
    _send(batch, slot, slot_state, store, outputs)
    left = over and len(_free(slot_state)) > 0
    _advance(store, key, len(slot_state.seals), over, now, None if over and not left else batch.due(slot))
    if left:
        outputs.timer(key, now)
    sealed = {hash for seal in slot_state.seals for hash in seal}
    store.delete(key, [name for name, hashes in slot_state.blocks.items() if sealed.issuperset(hashes)])


def _read(batch: Batch, slot: int, store: Store) -> _Slot:
    """Read seals first, then blocks. If a block was deleted in between, its items were sealed and sent."""
    slot_state = _Slot()
    while (register := store.read(batch.seals_key(slot, slot_state.last))) is not None:
        slot_state.last_seals, slot_state.last_version = orjson.loads(register.data), register.version
        slot_state.seals += map(_unpacked, slot_state.last_seals)
        if len(register.data) < _SEAL_BYTES:
            break
        slot_state.last, slot_state.last_seals, slot_state.last_version = slot_state.last + 1, [], 0
    for name, block in store.blocks(batch.key(slot)):
        # Blocks of an earlier release have no types or no sequences.
        items: list[BatchItem] = [
            (*item, *_ADDED[len(item) - 4 :]) for item in orjson.loads(zlib.decompress(block))
        ]
        slot_state.blocks[name] = [item[0] for item in items]
        slot_state.items.update((item[0], item) for item in items)
    return slot_state


def _free(slot_state: _Slot) -> list[BatchItem]:
    """Return the items that are in no batch yet, in order of time and id."""
    sealed = {hash for seal in slot_state.seals for hash in seal}
    free = [item for hash, item in slot_state.items.items() if hash not in sealed]
    return sorted(free, key=lambda item: item[1:3])


def _seal(
    batch: Batch, slot: int, slot_state: _Slot, free: list[BatchItem], over: bool, store: Store, now: int
) -> bool:
    """Create as many batches as fit in the register.

    Return False if another process did so in the meantime.
    """
    new: list[str] = []
    room = _SEAL_BYTES - sum(map(len, slot_state.last_seals))
    for items in _cut(free, batch.config.size, over):
        if room > 0:
            new.append(_packed([item[0] for item in items]))
            room -= len(new[-1])
    data = orjson.dumps([*slot_state.last_seals, *new])
    if new and not store.write(
        batch.seals_key(slot, slot_state.last), data, slot_state.last_version, now + KEEP_MS
    ):
        return False
    slot_state.seals += map(_unpacked, new)
    return True


def _cut(free: list[BatchItem], size: int, over: bool) -> list[list[BatchItem]]:
    """Return batches of `size` items, or of `BATCH_BYTES` (a single item may be larger).

    The remainder is a batch only if the slot's time is up.
    """
    found = list(portions(free, _bytes, BATCH_BYTES, size))
    if found and not over and len(found[-1]) < size:
        found.pop()
    return found


def _packed(seal: Seal) -> str:
    return b64encode(b"".join(hash.to_bytes(8, "little") for hash in seal)).decode()


def _unpacked(text: str) -> Seal:
    raw = b64decode(text)
    return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]


def _send(batch: Batch, slot: int, slot_state: _Slot, store: Store, outputs: Outputs) -> None:
    key = batch.key(slot)
    for number in range(_state(store, key).sent, len(slot_state.seals)):
        seal = slot_state.seals[number]
        # Items that are missing were sent and then deleted by a faster closer.
        if all(hash in slot_state.items for hash in seal):
            outputs.send(key, [_event(batch, slot, number, [slot_state.items[hash] for hash in seal])])


def _event(batch: Batch, slot: int, number: int, items: list[BatchItem]) -> Event:
    scope = batch.scope
    id = output_id(scope.pipeline, scope.step, slot, number)
    payload: Payload = {"id": id, "items": [item[3] for item in items], "count": len(items)}
    time = max(item[1] for item in items)
    parts = [(item[2], item[1], item[4], item[6]) for item in items]
    event = Event(payload, id, "batch", "batch", time, batch.due(slot), scope.pipeline, parts=parts)
    event.hops = max(item[5] for item in items)
    return event
