"""Remote A2A agents as tools, each offered to a model under the name `<name>__send_message`.

The tool's description comes from the agent's card, which the process remembers in a `CardCatalog`. If an
agent is down, the run only lacks its tool, and `A2aTools.problems` says so. The agent's headers are sent only
to the origin that they were configured for, whatever the card says.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from millrace.agent.tools.mcp_server import McpServer as Remote
from millrace.agent.tools.tool import Tool
from millrace.errors import MillraceError

if TYPE_CHECKING:
    import httpx

REMEMBERED_SECONDS = 300.0
CATALOG_LIMIT = 256
DESCRIPTION_LIMIT = 2000
SKILLS_SHOWN = 32
SEND = "send_message"
PARAMETERS = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "description": "What the agent is to do or to know, in full."},
        "taskId": {
            "type": "string",
            "description": "The task whose question the message answers; leave it out to begin a new one.",
        },
    },
    "required": ["message"],
}


class Card(Struct, frozen=True):
    """The fields of an agent's card that a caller needs. `url` is that of the interface with this `binding`;
    `organization` is what the protocol calls tenant."""

    description: str
    url: str
    binding: str
    organization: str
    streaming: bool
    etag: str = ""


class CardCatalog:
    """The card of each agent, valid for five minutes. At most 256 cards; the oldest are dropped first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cards: dict[str, tuple[float, Card]] = {}

    def fresh(self, remote: Remote) -> Card | None:
        """Return the card if it does not have to be requested again."""
        until, card = self._cards.get(remote.identity(), (0.0, None))
        return card if until > self._clock() else None

    def known(self, remote: Remote) -> Card | None:
        """Return the last card, however old."""
        return self._cards.get(remote.identity(), (0.0, None))[1]

    def put(self, remote: Remote, card: Card) -> None:
        """Remember a card that was just read."""
        self._cards.pop(remote.identity(), None)
        self._cards[remote.identity()] = (self._clock() + REMEMBERED_SECONDS, card)
        while len(self._cards) > CATALOG_LIMIT:
            del self._cards[next(iter(self._cards))]


class A2aTools:
    """The remote agents of one run. `http` returns the process's guarded client."""

    def __init__(
        self, remotes: Sequence[Remote], catalog: CardCatalog, http: "Callable[[], httpx.AsyncClient]"
    ) -> None:
        self._remotes, self._catalog, self._http = remotes, catalog, http
        self.problems: list[str] = []

    async def tools(self) -> list[Tool]:
        """Return a tool for every agent that responds; problems with the others are added to `problems`."""
        found = await asyncio.gather(*map(self._tool, self._remotes))
        return [one for one in found if one]

    async def _tool(self, remote: Remote) -> Tool | None:
        # httpx takes a third of a second to import, which agents without remote ones should not pay for.
        from millrace.agent.tools.a2a_call import send_message

        try:
            card = await self._card(remote)
        except MillraceError as error:
            self.problems.append(f"The A2A agent {remote.name} is not available: {error.message}"[:500])
            return None
        name, run = f"{remote.name}__{SEND}", partial(send_message, self._http, remote, card)
        return Tool(name, card.description, PARAMETERS, run, remote.scope)

    async def _card(self, remote: Remote) -> Card:
        from millrace.agent.tools.a2a_card import read_card

        if card := self._catalog.fresh(remote):
            return card
        card = await read_card(self._http(), remote, self._catalog.known(remote))
        self._catalog.put(remote, card)
        return card


def described(remote: Remote, card: dict[str, Any]) -> str:
    """Return the tool's description: the agent's own, and its skills. It is untrusted, so it is redacted and
    cut."""
    skills = [f"- {one.get('name')}: {one.get('description')}" for one in card.get("skills", [])]
    about = [f"Send a message to the agent {card.get('name')} and get its answer.", card.get("description")]
    return remote.redact("\n".join(map(str, [*about, *skills[:SKILLS_SHOWN]])))[:DESCRIPTION_LIMIT]
