"""Tickets: `<audio>` and `EventSource` without a token."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from starlette.requests import Request

from millrace.api.auth import Authenticator
from millrace.api.operation import Operation
from millrace.api.tickets import Callers
from millrace.domain.access import Principal
from millrace.domain.clock import now_ms
from millrace.errors import Unauthenticated
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.tickets import Ticket, TicketStore
from tests.api.talk import error_of
from tests.api.voicing import SPEECH, TEXT, voice, voice_client
from tests.aws import Aws
from tests.speech.programs import seconds_of
from tests.tokens import Issuer

__all__ = ["voice"]

TICKETS = "/api/stream-tickets"
READ = Operation("GET", "/", "Read", "chat", answers={200: "Run"}, credential="either")


@pytest.fixture
def visitor(voice: httpx.Client) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=voice.base_url, timeout=30) as client:
        yield client


def ticket(client: httpx.Client, path: str = SPEECH, **body: Any) -> str:
    response = client.post(TICKETS, json={"path": path, "body": body} if body else {"path": path})
    assert response.status_code == 201, response.text
    return str(response.json()["url"])


def test_audio_element_plays_with_a_ticket(voice: httpx.Client, visitor: httpx.Client) -> None:
    response = visitor.get(ticket(voice, text=TEXT, voice="nova", format="wav"))
    assert response.headers["content-type"] == "audio/wav"
    assert seconds_of(response.content) == pytest.approx(3.8, rel=0.1)


def test_long_text_of_any_script_fits(voice: httpx.Client, visitor: httpx.Client) -> None:
    with visitor.stream(
        "GET", ticket(voice, text="今日はとても良い天気です。" * 3000, format="opus")
    ) as response:
        assert response.status_code == 200
        assert next(response.iter_raw())


def test_ticket_of_audio_serves_the_client_that_used_it_first(
    voice: httpx.Client, visitor: httpx.Client
) -> None:
    url = ticket(voice, text="Hi")
    heard = visitor.get(url)
    assert (heard.status_code, visitor.get(url).content) == (200, heard.content)
    assert error_of(visitor.get(url, headers={"user-agent": "another"})) == (401, "ticket_invalid")


def test_ticket_of_audio_serves_one_of_many_clients(voice: httpx.Client, visitor: httpx.Client) -> None:
    url = ticket(voice, text="Hi")

    def listen(number: int) -> int:
        return visitor.get(url, headers={"user-agent": f"player {number}"}).status_code

    with ThreadPoolExecutor(8) as listeners:
        answers = list(listeners.map(listen, range(8)))
    assert sorted(answers) == [200] + [401] * 7


def test_ticket_is_for_one_path_and_survives_another(voice: httpx.Client, visitor: httpx.Client) -> None:
    secret = ticket(voice, "/api/conversations/c1/stream").partition("ticket=")[2]
    assert error_of(visitor.get(f"{SPEECH}?ticket={secret}")) == (401, "ticket_invalid")
    secret = ticket(voice, text="Hi").partition("ticket=")[2]
    elsewhere = f"/api/voice/conversations/run_1/stream?ticket={secret}"
    assert error_of(visitor.get(elsewhere)) == (401, "ticket_invalid")
    assert visitor.get(f"{SPEECH}?ticket={secret}").status_code == 200


def test_head_of_a_player_neither_speaks_nor_uses_the_ticket_up(
    voice: httpx.Client, visitor: httpx.Client
) -> None:
    url = ticket(voice, text="Hi", format="wav")
    head = visitor.head(url)
    assert (head.status_code, head.headers["content-type"], head.content) == (200, "audio/wav", b"")
    assert len(visitor.get(url).content) > 10_000


def test_player_that_probes_plays_seeks_and_repeats(voice: httpx.Client, visitor: httpx.Client) -> None:
    """Safari asks for two bytes first, and plays nothing that has no length."""
    url = ticket(voice, text=TEXT, format="mp3")
    probe = visitor.get(url, headers={"range": "bytes=0-1"})
    size = int(probe.headers["content-range"].removeprefix("bytes 0-1/"))
    assert (probe.status_code, len(probe.content)) == (206, 2)
    whole = visitor.get(url)
    assert (whole.status_code, len(whole.content), whole.headers["accept-ranges"]) == (200, size, "bytes")
    for asked, part in ((f"bytes=100-{size}", whole.content[100:]), ("bytes=-50", whole.content[-50:])):
        answer = visitor.get(url, headers={"range": asked})
        assert (answer.status_code, answer.content) == (206, part)
    for nonsense in (f"bytes={size}-", "bytes=-", "lines=1-2", "bytes=5-2"):
        assert visitor.get(url, headers={"range": nonsense}).content == whole.content


def test_long_audio_is_spoken_again_rather_than_kept(voice: httpx.Client, visitor: httpx.Client) -> None:
    url = ticket(voice, text=TEXT * 8, format="wav")
    probe = visitor.get(url, headers={"range": "bytes=0-1"})
    assert (probe.status_code, "content-range" in probe.headers) == (200, False)
    assert len(visitor.get(url).content) == pytest.approx(len(probe.content), rel=0.02)


@pytest.mark.parametrize("query", ["", "?ticket=", "?ticket=abc", "?ticket=%00%ff", "?ticket=" + "x" * 5000])
def test_invalid_ticket_opens_nothing(visitor: httpx.Client, query: str) -> None:
    assert error_of(visitor.get(SPEECH + query)) == (401, "ticket_invalid")


def test_body_of_a_ticket_is_checked_as_that_of_a_request(voice: httpx.Client, visitor: httpx.Client) -> None:
    assert error_of(visitor.get(ticket(voice, text="Hi", voice="nobody"))) == (422, "unknown_voice")
    assert error_of(visitor.get(ticket(voice))) == (422, "invalid_request")


@pytest.mark.parametrize("path", ["", "https://elsewhere.example/api/", "//x", "/api/a?b=c", "/other"])
def test_tickets_are_for_paths_of_this_api(voice: httpx.Client, path: str) -> None:
    assert error_of(voice.post(TICKETS, json={"path": path})) == (422, "invalid_request")


def test_only_a_token_gets_a_ticket(voice: httpx.Client, visitor: httpx.Client) -> None:
    assert error_of(visitor.post(TICKETS, json={"path": SPEECH})) == (401, "token_missing")
    secret = ticket(voice, TICKETS).partition("?")[2]
    assert error_of(visitor.post(f"{TICKETS}?{secret}", json={"path": SPEECH})) == (401, "token_missing")


def test_ticket_has_no_more_scopes_than_its_caller(
    voice: httpx.Client, visitor: httpx.Client, issuer: Issuer, organization: str
) -> None:
    chatter = issuer.headers(organization, scope="chat")
    made = voice.post(TICKETS, json={"path": SPEECH, "body": {"text": "Hi"}}, headers=chatter)
    assert error_of(visitor.get(made.json()["url"])) == (403, "missing_scope")


async def test_ticket_ends_after_a_minute(settings: Settings, aws: Aws) -> None:
    now = 1_800_000_000_000
    store = TicketStore(Stores.connect(settings).aws, settings.tickets_table, lambda: now)
    given = Ticket(Principal("org-a", "someone", frozenset({"voice"})), "GET", SPEECH, {"text": "Hi"})
    secret, expires = await store.issue(given)
    assert expires == now + 60_000
    now += 59_999
    assert await store.use(secret, SPEECH) == given
    secret, _ = await store.issue(given)
    now += 60_000
    with pytest.raises(Unauthenticated):
        await store.use(secret, SPEECH)


async def test_table_holds_no_ticket_that_works(settings: Settings, aws: Aws) -> None:
    store = TicketStore(Stores.connect(settings).aws, settings.tickets_table, lambda: 1_800_000_000_000)
    secret, _ = await store.issue(Ticket(Principal("org-b", "x"), "GET", SPEECH, None))
    assert secret not in str(aws.client("dynamodb").scan(TableName=settings.tickets_table))


def test_missing_table_is_reported(settings: Settings, issuer: Issuer, organization: str) -> None:
    with voice_client(replace(settings, tickets_table=""), issuer, organization) as client:
        assert error_of(client.post(TICKETS, json={"path": SPEECH})) == (503, "not_configured")


async def test_callers_come_by_token_or_by_ticket(settings: Settings, aws: Aws, issuer: Issuer) -> None:
    path = "/api/conversations/c%3A1/stream"
    stores = Stores.connect(settings)
    store = TicketStore(stores.aws, settings.tickets_table, now_ms)
    callers = Callers(Authenticator(settings, stores), store)
    someone = Principal("org-c", "someone", frozenset({"chat"}))
    secret, _ = await store.issue(Ticket(someone, "GET", path, None))

    def request(query: str, headers: dict[str, str] | None = None) -> Request:
        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": "GET", "path": "/api/conversations/c:1/stream"}
        made = Request(scope | {"query_string": query.encode(), "headers": raw})
        made.state.operation = READ
        return made

    assert await callers(request(f"after=3&ticket={secret}")) == someone
    assert (await callers(request("ticket=old", issuer.headers("org-d")))).organization == "org-d"
    with pytest.raises(Unauthenticated):
        await callers(request("after=3"))
