"""The values that an agent in code keeps with its conversation: `ctx.store`."""

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from millrace.agent.code.record import key_of, text_given
from millrace.agent.code.run import CodeRun
from millrace.errors import InvalidRequest, TooLarge

VALUE_BYTES = 4 * 1024 * 1024
REPLAYED_BYTES = 128 * 1024
"""The maximum that a replayed function may read, since what it reads is stored with its steps."""
KEY_BYTES = 512
MOST_KEYS = 250
STORE_STEP = "step__store"
_BYTES, _JSON = b"b", b"j"
"""The first byte of a stored value, which says how the rest is encoded."""


class Values(Protocol):
    """The values of all agents in a conversation, by agent and key."""

    async def get(self, agent_id: str, key: str) -> bytes | None:
        """Return a value, or None."""
        ...

    async def put(self, agent_id: str, key: str, value: bytes) -> None:
        """Store a value, replacing the previous one."""
        ...

    async def delete(self, agent_id: str, keys: Sequence[str]) -> int:
        """Delete values; return how many existed."""
        ...

    async def keys(self, agent_id: str, prefix: str, after: str, limit: int) -> list[str]:
        """Return the keys with a prefix that follow `after`, in order."""
        ...


class AgentStore:
    """Values by key, kept as long as the conversation. Each agent has its own. A value is bytes or JSON of at
    most 4 MB, or 128 KB for a function that is replayed.

    When a function is replayed after its process was lost, it reads what it read before: a read is stored
    with the next step, and a write is a step. A function with `replay=False` reads the current values.
    """

    def __init__(self, run: CodeRun, agent_id: str, values: Values) -> None:
        self._run = run
        self._agent_id = agent_id
        self._values = values
        self._replayed = run.agent.replay
        self._limit = REPLAYED_BYTES if self._replayed else VALUE_BYTES

    async def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        _check_key(key)
        data = await self._data(key)
        if data is None:
            return default
        return data[1:] if data[:1] == _BYTES else from_json(data[1:])

    async def put(self, key: str, value: Any) -> None:
        """Store a value, replacing the previous one. Raises `TooLarge`."""
        _check_key(key)
        data = _encoded(value)
        if len(data) > self._limit:
            raise TooLarge(
                f"The value of {key!r} has {len(data):,} bytes; it must not exceed {self._limit:,}. Split "
                "it over several keys, or store it elsewhere.",
                limit=self._limit,
            )

        async def write() -> str:
            await self._values.put(self._agent_id, key, data)
            return "{}"

        await self._write({"put": key, "value": sha256(data).hexdigest()[:16]}, write)

    async def delete(self, *keys: str) -> None:
        """Delete the values of keys, ignoring keys that do not exist."""
        for key in keys:
            _check_key(key)

        async def write() -> str:
            await self._values.delete(self._agent_id, keys)
            return "{}"

        if keys:
            await self._write({"delete": list(keys)}, write)

    async def list(self, prefix: str = "", *, after: str = "", limit: int = MOST_KEYS) -> list[str]:
        """Return the keys that begin with a prefix, in order: at most 250 of those after `after`."""
        if not 1 <= limit <= MOST_KEYS:
            raise InvalidRequest(f"The limit must be 1 to {MOST_KEYS}.")

        async def read() -> str:
            return to_json(await self._values.keys(self._agent_id, prefix, after, limit)).decode()

        found: list[str] = from_json(await self._read({"list": prefix, "after": after, "limit": limit}, read))
        return found

    async def _data(self, key: str) -> bytes | None:
        if not self._replayed:
            return await self._values.get(self._agent_id, key)

        async def read() -> str:
            return _to_text(await self._values.get(self._agent_id, key))

        return _of_text(await self._read({"get": key}, read))

    async def _read(self, arguments: dict[str, Any], read: Callable[[], Awaitable[str]]) -> str:
        if not self._replayed:
            return await read()
        known = self._run.noted_result(key_of(STORE_STEP, arguments))
        if known is None:
            known = await read()
            self._run.note(STORE_STEP, arguments, known)
        return known

    async def _write(self, arguments: dict[str, Any], write: Callable[[], Awaitable[str]]) -> None:
        if not self._replayed:
            await write()
            return
        text_given(await self._run.call(STORE_STEP, arguments, write), STORE_STEP)


def _check_key(key: str) -> None:
    if not key or len(key.encode()) > KEY_BYTES or not key.isprintable():
        raise InvalidRequest(
            f"A key must have 1 to {KEY_BYTES} bytes of printable characters, not {key!r:.80}."
        )


def _encoded(value: Any) -> bytes:
    return _BYTES + value if isinstance(value, bytes) else _JSON + to_json(value)


def _to_text(data: bytes | None) -> str:
    """Return a value as it is stored in the history."""
    if data is None:
        return ""
    return "b" + b64encode(data[1:]).decode() if data[:1] == _BYTES else data.decode()


def _of_text(text: str) -> bytes | None:
    if not text:
        return None
    return _BYTES + b64decode(text[1:]) if text[0] == "b" else text.encode()
