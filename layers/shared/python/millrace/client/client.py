"""The two clients, which differ only in their I/O."""

import ssl
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self

import httpx

from millrace.client.addresses import Addresses
from millrace.client.asynchronous import Asynchronous
from millrace.client.blocking import Blocking
from millrace.client.calls import Call, Request, Sender
from millrace.client.operations import IO
from millrace.client.policy import Policy
from millrace.client.tokens import AsyncTokens, AsyncTokenSource, Tokens, TokenSource

if TYPE_CHECKING:  # their models are imported when first used
    from millrace.client.resources.agents import Agents, Memories
    from millrace.client.resources.audit import AuditLog
    from millrace.client.resources.center import Alerts, CommandCenter
    from millrace.client.resources.conversations import Conversations
    from millrace.client.resources.erasures import DataErasures, DataRetention
    from millrace.client.resources.exports import DataExports
    from millrace.client.resources.files import Files, Tickets
    from millrace.client.resources.flows import Flows, Tasks
    from millrace.client.resources.keys import Keys
    from millrace.client.resources.limits import UsageLimits
    from millrace.client.resources.pipelines import Streaming
    from millrace.client.resources.revocations import TokenRevocations
    from millrace.client.resources.runs import Approvals, Runs
    from millrace.client.resources.voice import Voice


class Resources(Generic[IO]):
    """The parts of the API."""

    _io: IO

    @property
    def url(self) -> str:
        """The base address."""
        return self._io.sender.addresses.url

    @cached_property
    def conversations(self) -> "Conversations[IO]":
        from millrace.client.resources.conversations import Conversations

        return Conversations(self._io)

    @cached_property
    def runs(self) -> "Runs[IO]":
        from millrace.client.resources.runs import Runs

        return Runs(self._io)

    @cached_property
    def approvals(self) -> "Approvals[IO]":
        from millrace.client.resources.runs import Approvals

        return Approvals(self._io)

    @cached_property
    def agents(self) -> "Agents[IO]":
        from millrace.client.resources.agents import Agents

        return Agents(self._io)

    @cached_property
    def memories(self) -> "Memories[IO]":
        from millrace.client.resources.agents import Memories

        return Memories(self._io)

    @cached_property
    def streaming(self) -> "Streaming[IO]":
        from millrace.client.resources.pipelines import Streaming

        return Streaming(self._io)

    @cached_property
    def command_center(self) -> "CommandCenter[IO]":
        from millrace.client.resources.center import CommandCenter

        return CommandCenter(self._io)

    @cached_property
    def alerts(self) -> "Alerts[IO]":
        from millrace.client.resources.center import Alerts

        return Alerts(self._io)

    @cached_property
    def flows(self) -> "Flows[IO]":
        from millrace.client.resources.flows import Flows

        return Flows(self._io)

    @cached_property
    def tasks(self) -> "Tasks[IO]":
        from millrace.client.resources.flows import Tasks

        return Tasks(self._io)

    @cached_property
    def voice(self) -> "Voice[IO]":
        from millrace.client.resources.voice import Voice

        return Voice(self._io)

    @cached_property
    def files(self) -> "Files[IO]":
        from millrace.client.resources.files import Files

        return Files(self._io)

    @cached_property
    def keys(self) -> "Keys[IO]":
        from millrace.client.resources.keys import Keys

        return Keys(self._io)

    @cached_property
    def limits(self) -> "UsageLimits[IO]":
        from millrace.client.resources.limits import UsageLimits

        return UsageLimits(self._io)

    @cached_property
    def audit(self) -> "AuditLog[IO]":
        from millrace.client.resources.audit import AuditLog

        return AuditLog(self._io)

    @cached_property
    def erasures(self) -> "DataErasures[IO]":
        from millrace.client.resources.erasures import DataErasures

        return DataErasures(self._io)

    @cached_property
    def exports(self) -> "DataExports[IO]":
        from millrace.client.resources.exports import DataExports

        return DataExports(self._io)

    @cached_property
    def retention(self) -> "DataRetention[IO]":
        from millrace.client.resources.erasures import DataRetention

        return DataRetention(self._io)

    @cached_property
    def revocations(self) -> "TokenRevocations[IO]":
        from millrace.client.resources.revocations import TokenRevocations

        return TokenRevocations(self._io)

    @cached_property
    def tickets(self) -> "Tickets[IO]":
        from millrace.client.resources.files import Tickets

        return Tickets(self._io)


def _sender(url: str, functions: Mapping[str, str] | None, policy: Policy | None, token: Any) -> Sender:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is not an address: it must begin with http:// or https://.")
    return Sender(Addresses(url, functions or {}), policy or Policy(), callable(token))


def _call(method: str, path: str, query: Mapping[str, Any] | None, body: Any) -> Call[Any]:
    return Call(Request(method, path, query or {}, body), lambda data: data)


class Client(Resources[Blocking]):
    """A synchronous client.

        with Client("https://agents.example.com", token) as client:
            with client.conversations.send_message_stream("conv-1", "Hello", agent_id="assistant") as stream:
                for event in stream:
                    ...

    `token` is a bearer token, or a function that returns one: it is called again when the server refuses the
    last token. `functions` has the base URLs of functions with a separate one, as in the `apiBase` of
    `/config.json`. `transport` is httpx's, for tests and proxies. A client may be used by several threads; a
    stream belongs to one, and only its `abort()` may be called from others.
    """

    def __init__(
        self,
        url: str,
        token: TokenSource = None,
        *,
        functions: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        transport: httpx.BaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        sender = _sender(url, functions, policy, token)
        http = httpx.Client(transport=transport, verify=verify, timeout=None, limits=_LIMITS)
        self._io = Blocking(http, Tokens(token), sender)

    def request(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        """Send any request of the API, and return its JSON."""
        return self._io.call(_call(method, path, query, body))

    def close(self) -> None:
        """Close all connections."""
        self._io.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Resources[Asynchronous]):
    """The same client for asyncio.

        async with AsyncClient("https://agents.example.com", token) as client:
            async with client.conversations.send_message_stream("conv-1", "Hello") as stream:
                async for event in stream:
                    ...

    `token` may also be a coroutine function. See `Client`."""

    def __init__(
        self,
        url: str,
        token: AsyncTokenSource = None,
        *,
        functions: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        sender = _sender(url, functions, policy, token)
        http = httpx.AsyncClient(transport=transport, verify=verify, timeout=None, limits=_LIMITS)
        self._io = Asynchronous(http, AsyncTokens(token), sender)

    async def request(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        """Send any request of the API, and return its JSON."""
        return await self._io.call(_call(method, path, query, body))

    async def close(self) -> None:
        """Close all connections."""
        await self._io.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""No limit of connections: a stream holds one as long as it is open, and a limit would make others wait for
it."""
