"""Event streams by ticket: reconnects that `EventSource` makes by itself work, and nobody else's do."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.api.tickets import _network
from millrace.domain.access import Principal
from millrace.errors import Unauthenticated
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.tickets import SESSION_SECONDS, Client, Ticket, TicketStore
from tests.api.talk import STREAM, attach, error_of, say, saying, until_ends
from tests.api.voicing import voice_client
from tests.aws import Aws
from tests.sse import Sent, read_events
from tests.tokens import Issuer

BASE = "/api/conversations/c1"
SHORT = "/echo tools=0 tokens=2\nword"
LASTING = "/echo tools=0 tokens=30 delayMs=50\nword"
BROWSER = {"user-agent": "Mozilla/5.0 (a visitor)"}
MESSAGES = f"{BASE}/messages"
NOW = 1_800_000_000_000


@pytest.fixture
def tickets(settings: Settings, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with voice_client(settings, issuer, organization) as client:
        yield client


@pytest.fixture
def visitor(chat: httpx.Client) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=chat.base_url, headers=BROWSER, timeout=30) as client:
        yield client


def url_of(tickets: httpx.Client, path: str, query: str = "") -> str:
    made = tickets.post("/api/stream-tickets", json={"path": path})
    assert made.status_code == 201, made.text
    return str(made.json()["url"]) + query


def cut_after(client: httpx.Client, url: str, count: int, last: str | None = None) -> list[Sent]:
    """Read so many events, as through a connection that then breaks; 0: not even one."""
    headers = STREAM | ({"last-event-id": last} if last else {})
    with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200, response.read()
        events = (e for e in read_events(response.iter_lines()) if e.data["type"] != "heartbeat")
        return [next(events) for _ in range(count)]


def test_event_source_reconnects_with_its_ticket_after_every_event(
    chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client
) -> None:
    with saying(chat, LASTING) as sent:
        whole = [next(sent)]
        url, seen = url_of(tickets, MESSAGES, "&stream=true"), list[Sent]()
        while not seen or seen[-1].data["type"] != "done":
            seen += cut_after(visitor, url, 1, seen[-1].id if seen else None)
        whole += list(sent)
    assert seen == whole
    last = STREAM | {"last-event-id": str(seen[-1].id)}
    assert visitor.get(url, headers=last).status_code == 204


def test_client_that_had_received_nothing_gets_the_run_that_has_ended_meanwhile(
    chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client
) -> None:
    """`EventSource` then comes back without an id, and so does a new one on the same URL."""
    url = url_of(tickets, MESSAGES, "&stream=true")
    with saying(chat, LASTING) as sent:
        whole = [next(sent)]
        assert cut_after(visitor, url, 0) == []
        whole += list(sent)
    assert attach(visitor, url) == whole


def test_waiting_client_that_had_received_nothing_misses_no_run(
    chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client
) -> None:
    say(chat, SHORT)
    url = url_of(tickets, f"{BASE}/stream")
    assert cut_after(visitor, url, 0) == []
    second, third = say(chat, SHORT), say(chat, SHORT)
    assert until_ends(visitor, url, 2) == [*second, *third]


@pytest.mark.parametrize("by", ["run", "conversation"])
def test_run_whose_end_was_sent_twice_is_over(
    chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client, by: str
) -> None:
    """Nobody knows whether the first one arrived; a page that makes a new `EventSource` again and again must
    not get the answer for ever."""
    url = url_of(tickets, MESSAGES, "&stream=true")
    with saying(chat, LASTING) as sent:
        whole = [next(sent)]
        if by == "run":
            url = url_of(tickets, f"/api/runs/{whole[0].data['runId']}/stream")
        first = attach(visitor, url)
        whole += list(sent)
    assert [event for event in first if event.id] == whole
    assert attach(visitor, url) == whole
    assert visitor.get(url, headers=STREAM).status_code == 204


def test_ticket_of_a_stream_is_of_the_client_that_opened_it(
    chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client
) -> None:
    sent = say(chat, SHORT)
    path = f"/api/runs/{sent[0].data['runId']}/stream"
    url = url_of(tickets, path)
    assert attach(visitor, url) == sent
    other = {"user-agent": "curl/8"} | STREAM
    assert error_of(visitor.get(url, headers=other)) == (401, "ticket_invalid")
    last = {"last-event-id": str(sent[0].id)}
    assert error_of(visitor.get(url, headers=other | last)) == (401, "ticket_invalid")
    assert attach(visitor, url, **last) == sent[1:]


def test_ticket_opens_nothing_but_its_path(
    chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client
) -> None:
    say(chat, SHORT)
    query = url_of(tickets, f"{BASE}/stream").partition("?")[2]
    for path in ("/api/conversations/c2/stream", MESSAGES):
        assert error_of(visitor.get(f"{path}?{query}", headers=STREAM)) == (401, "ticket_invalid")


def test_ticket_of_a_plain_answer_works_once(
    chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client
) -> None:
    say(chat, SHORT)
    url = url_of(tickets, MESSAGES)
    assert len(visitor.get(url).json()["items"]) == 2
    assert error_of(visitor.get(url)) == (401, "ticket_invalid")


@pytest.mark.parametrize("path", ["/api/conversations", BASE, f"{BASE}/inject"])
def test_asking_for_a_stream_where_there_is_none_does_not_make_a_ticket_last(
    path: str, chat: httpx.Client, tickets: httpx.Client, visitor: httpx.Client
) -> None:
    say(chat, SHORT)
    url = url_of(tickets, path, "&stream=true")
    assert visitor.get(url).status_code == 200
    assert error_of(visitor.get(url)) == (401, "ticket_invalid")


PATH = f"{BASE}/stream"


@pytest.fixture
def store(settings: Settings, aws: Aws) -> tuple[TicketStore, list[int]]:
    now = [NOW]
    return TicketStore(Stores.connect(settings).aws, settings.tickets_table, lambda: now[0]), now


def for_stream(**more: Any) -> Ticket:
    caller = Principal(f"org-{uuid.uuid4().hex}", "someone", frozenset({"chat"}))
    return Ticket(caller, "GET", PATH, None, **more)


async def test_session_lasts_an_hour_from_its_first_use(store: tuple[TicketStore, list[int]]) -> None:
    tickets, now = store
    secret, _ = await tickets.issue(given := for_stream())
    now[0] += 59_999
    assert await tickets.open(secret, PATH, Client("a", "n")) == given
    now[0] += 1000 * SESSION_SECONDS - 1
    assert await tickets.open(secret, PATH, Client("a", "n")) == replace(given, again=True)
    now[0] += 1
    with pytest.raises(Unauthenticated):
        await tickets.open(secret, PATH, Client("a", "n"))


async def test_ticket_that_was_not_used_in_a_minute_opens_nothing(
    store: tuple[TicketStore, list[int]],
) -> None:
    tickets, now = store
    secret, _ = await tickets.issue(for_stream())
    now[0] += 60_000
    with pytest.raises(Unauthenticated):
        await tickets.open(secret, PATH, Client("a", "n"))


async def test_only_a_client_that_names_an_event_may_change_its_network(
    store: tuple[TicketStore, list[int]],
) -> None:
    """A telephone that changes from one network to the other has seen the run's id; a log has not."""
    tickets, _ = store
    secret, _ = await tickets.issue(given := for_stream())
    await tickets.open(secret, PATH, Client("a", "n"))
    assert await tickets.open(secret, PATH, Client("a", "m", proven=True)) == replace(given, again=True)
    for other in (Client("a", "m"), Client("b", "n"), Client("b", "m", proven=True)):
        with pytest.raises(Unauthenticated):
            await tickets.open(secret, PATH, other)


async def test_open_ticket_can_be_neither_used_nor_read_from_the_table(
    store: tuple[TicketStore, list[int]], settings: Settings, aws: Aws
) -> None:
    tickets, _ = store
    secret, _ = await tickets.issue(for_stream())
    await tickets.open(secret, PATH, Client("a browser", "n"))
    await tickets.note(secret, "begun", "run_1.0")
    assert (await tickets.open(secret, PATH, Client("a browser", "n"))).begun == "run_1.0"
    assert secret not in str(aws.client("dynamodb").scan(TableName=settings.tickets_table))
    await tickets.note("another secret", "begun", "run_1.0")
    with pytest.raises(Unauthenticated):
        await tickets.open("another secret", PATH, Client("a browser", "n"))


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_network_of_a_client_is_what_stays(host: str, network: str) -> None:
    assert _network(host) == network
