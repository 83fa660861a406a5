"""Push notifications of tasks: their configurations, and the queue for sending them."""

from collections.abc import Sequence

import orjson
from msgspec import Struct

from millrace.domain.ids import new_id, new_ulid, valid_id
from millrace.domain.runs import Run
from millrace.domain.tasks import PushConfig, PushMessage
from millrace.errors import InvalidRequest, NotFound, TooManyRequests
from millrace.net.addresses import Rules
from millrace.net.headers import header_problem
from millrace.services.mcp_checks import url_problem
from millrace.services.runs.platform import Platform
from millrace.stores.dynamo import TransactItem
from millrace.stores.sealing import Context

MOST_CONFIGS = 10
LONGEST_SECRET = 2000
LONGEST_URL = 2000


class NewPush(Struct, frozen=True):
    """A configuration from a client."""

    id: str
    url: str
    token: str = ""
    scheme: str = ""
    credentials: str = ""


class Pushes(Struct, frozen=True):
    """The configurations of tasks."""

    platform: Platform

    async def check(self, given: NewPush) -> NewPush:
        """Validate as far as possible before anything is stored, and add an id if there is none.

        Raises `InvalidRequest`.
        """
        rules = Rules(loopback=self.platform.settings.allow_loopback_http)
        if len(given.url) > LONGEST_URL:
            raise InvalidRequest(f"url: must not exceed {LONGEST_URL:,} characters.", code="invalid_push_url")
        if wrong := url_problem(given.url, rules):
            raise InvalidRequest(f"url: {wrong}.", code="invalid_push_url")
        if given.id and not valid_id(given.id):
            raise InvalidRequest("id must have 1 to 128 of A-Z a-z 0-9 _ . : ~ -.", code="invalid_id")
        value = f"{given.scheme} {given.credentials}"
        for name, text in (("x-a2a-notification-token", given.token), ("authorization", value)):
            if len(text) > LONGEST_SECRET or (text.strip() and header_problem(name, text)):
                raise InvalidRequest(
                    "A token or credential is not a valid header value.", code="invalid_push_secret"
                )
        return (
            given
            if given.id
            else NewPush(new_id("push"), given.url, given.token, given.scheme, given.credentials)
        )

    async def begin(self, run: Run, given: NewPush) -> Sequence[TransactItem]:
        """Return the writes that store a configuration with the beginning of its run.

        The message that continues it is enqueued first; if it is received too early, it is tried again.
        """
        config = await self._sealed(run, given)
        await self._enqueue(run, config)
        return [self.platform.stores.pushes.put(run, config)]

    async def create(self, run: Run, given: NewPush) -> PushConfig:
        """Store a configuration of a task, replacing one with the same id. Raises `TooManyRequests`."""
        stored = await self.platform.stores.pushes.of_run(run)
        if len(stored) >= MOST_CONFIGS and given.id not in {one.id for one in stored}:
            raise TooManyRequests(
                f"A task must not have more than {MOST_CONFIGS} push notifications; delete one.",
                code="too_many_push_configs",
            )
        lease = await self.platform.stores.leases.peek(run.slot)
        # The client knows the past events.
        seq = lease.seq if lease.run_id == run.id else run.last_seq or 0
        config = await self._sealed(run, given, seq)
        await self.platform.stores.pushes.write(run, config)
        if run.ended_at is None:
            await self._enqueue(run, config)
        return config

    async def get(self, run: Run, config_id: str) -> PushConfig:
        """Return a configuration. Raises `NotFound`."""
        found = await self.platform.stores.pushes.get(run, config_id)
        if found is None:
            raise NotFound(f"The task has no push notification {config_id!r:.140}.", code="push_not_found")
        return found

    async def wake(self, run: Run) -> None:
        """Have a task's configurations checked soon, because something is about to happen."""
        for config in await self.platform.stores.pushes.of_run(run):
            chain = new_ulid()
            await self.platform.stores.pushes.wake(run, config, chain)
            await self._enqueue(run, config, chain)

    async def _sealed(self, run: Run, given: NewPush, seq: int = 0) -> PushConfig:
        secrets = {"token": given.token, "credentials": given.credentials}
        sealed = b""
        if given.token or given.credentials:
            text = orjson.dumps(secrets).decode()
            sealed = await self.platform.stores.sealer.seal(text, push_context(run))
        return PushConfig(given.id, given.url, given.scheme, sealed, seq, new_ulid())

    async def _enqueue(self, run: Run, config: PushConfig, chain: str = "") -> None:
        message = PushMessage(
            run.slot.organization,
            run.id,
            config.id,
            chain or config.chain,
            sent_ms=self.platform.stores.clock(),
        )
        await self.platform.stores.push_queue.enqueue(message)


def push_context(run: Run) -> Context:
    """Return the encryption context of a configuration's secrets."""
    return {"purpose": "a2a", "organization": run.slot.organization, "run": run.id}
