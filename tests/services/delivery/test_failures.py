"""A failure that belongs to an event makes it a dead letter; one that belongs to a service is retried."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from starlette.responses import PlainTextResponse

from millrace.destinations.results import Delivered, SendReport, Unsendable, result_of_error
from millrace.destinations.sending import HttpSender, WaitForSlot
from millrace.destinations.webhook import signing_key
from millrace.destinations.wire import Answer, EncodedEvent, Request, RequestLimits, Verdict, by_status
from millrace.errors import Conflict, NotFound, Unavailable, is_transient
from millrace.pipelines.event import Event
from millrace.services.delivery.target import _send
from tests.destinations.sending import NOW, always, kinds
from tests.fakes.receivers import Receivers
from tests.services.delivery.delivering import World, event


@pytest.mark.parametrize("secret", ["whsec_éééé", "whsec_abcde", "whsec_not base64"])
async def test_signing_secret_that_is_no_base64_is_told_in_each_dead_letter(
    here: World, receivers: Receivers, secret: str
) -> None:
    with pytest.raises(Unsendable):
        signing_key(secret)
    await here.secret("KEY", secret, "127.0.0.1")
    await here.webhook(receivers.url + "/hook", signingSecret="${secrets.KEY}")
    report = await here.deliver(event("a"), event("b"))
    assert (report.dead, receivers.requests, here.queue.sent) == (2, 0, [])
    assert {dead_letter.code for dead_letter in await here.dead()} == {"invalid_secret"}


class Fragile:
    """A destination that fails as nobody foresaw: at an event, a request, or an answer."""

    limits = RequestLimits(events=10)

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def encode(self, event: Event) -> bytes:
        self._fail("encode", event)
        return event.id.encode()

    def request(self, items: Sequence[EncodedEvent], now: int) -> Request:
        for item in items:
            self._fail("request", item.event)
        return Request("http://fragile", b",".join(item.content for item in items))

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        for item in items:
            self._fail("read", item.event)
        return by_status(answer, items)

    def _fail(self, where: str, event: Event) -> None:
        if where == self._fault and event.payload["bad"]:
            raise ZeroDivisionError("secret things of the event")


FAULTS = [("encode", "dead"), ("request", "dead"), ("read", "delivered")]


@pytest.mark.parametrize(("fault", "expected"), FAULTS)
async def test_unexpected_error_of_a_destination_harms_no_neighbor(fault: str, expected: str) -> None:
    sent: list[bytes] = []

    async def post(request: Request) -> Answer:
        sent.append(request.content)
        return Answer(200)

    events = [event(f"e{n}", bad=n == 3) for n in range(6)]
    results = await HttpSender(Fragile(fault), post, lambda: NOW).send(events, always)
    reported = ["dead:unexpected_error" if n == 3 and expected == "dead" else "delivered" for n in range(6)]
    assert kinds(results) == reported
    ids = b",".join(sent).split(b",")
    assert sorted(ids) == sorted(f"e{n}".encode() for n in range(6) if reported[n] == "delivered")
    assert not any("secret things" in str(result) for result in results.results)


class Raising:
    """A sender that raises for some events."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.taken: list[str] = []

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport:
        if any(one.payload.get("bad") for one in events):
            raise self._error
        self.taken += [one.id for one in events]
        return SendReport([Delivered()] * len(events), succeeded=1)


async def test_sender_that_raises_loses_only_the_event_at_fault(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    events = [event(f"e{n}", bad=n in (2, 5)) for n in range(7)]
    sender = Raising(KeyError("x"))
    sent = await _send(sender, events, always)
    reported = ["dead:unexpected_error" if n in (2, 5) else "delivered" for n in range(7)]
    assert kinds(sent) == reported
    assert sender.taken == [f"e{n}" for n in range(7) if n not in (2, 5)]


@pytest.mark.parametrize("error", [Unavailable("dynamodb is down"), ConnectionError(), TimeoutError()])
async def test_service_that_is_down_is_no_fault_of_an_event(here: World, error: Exception) -> None:
    with pytest.raises(type(error)):
        await _send(Raising(error), [event("a", bad=True)], always)


async def test_definition_that_cannot_be_read_is_repeated(
    here: World, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.webhook(receivers.url + "/hook")

    async def down(*_: Any) -> None:
        raise Unavailable("dynamodb does not answer")

    monkeypatch.setattr(here.pipelines, "versions", down)
    with pytest.raises(Unavailable):
        await here.deliver(event("a"))
    assert await here.dead() == []


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "PutItem")


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (Unavailable(""), True),
        (client_error("AccessDeniedException"), True),
        (client_error("TransactionConflictException"), True),
        (client_error("ValidationException"), False),
        (EndpointConnectionError(endpoint_url="x"), True),
        (OSError(), True),
        (NotFound(""), False),
        (Conflict(""), False),
        (ValueError(), False),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, ""), False),
        (RecursionError(), False),
        (AssertionError(), False),
    ],
)
def test_transient_errors_are_those_of_services(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


def test_unforeseen_error_says_no_more_than_its_kind() -> None:
    assert "token-1" not in str(result_of_error(ValueError("token-1")))


async def test_large_job_waits_and_arrives(here: World, receivers: Receivers) -> None:
    """A retry of 600 KB is no message of SQS; it is kept as an object meanwhile."""
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 3, "backoffMs": 1000})
    receivers.answers.append(PlainTextResponse("down", 503))
    text = "ü" * 300_000
    assert (await here.deliver(event("a", text=text))).retried == 1
    await here.settle()
    assert [len(got.body) for got in receivers.hook.taken] == [600_011]


async def test_dead_letter_of_any_size_is_stored(here: World, receivers: Receivers) -> None:
    await here.webhook("http://127.0.0.1:9/hook", retryPolicy={"maxRetries": 0, "backoffMs": 1})
    text = "x" * 900_000
    assert (await here.deliver(event("a", text=text), event("b", text="y"))).dead == 2
    found = [await here.dead_letters.load(dead_letter) for dead_letter in await here.dead()]
    assert sorted(dead_letter.event["payload"]["text"] for dead_letter in found) == [text, "y"]


async def test_window_that_fired_before_its_end_is_dated_by_its_firing(
    here: World, receivers: Receivers
) -> None:
    receivers.answers.append(PlainTextResponse("no", 400))
    await here.webhook(receivers.url + "/hook")
    end = here.now + 3_600_000
    await here.deliver(Event({}, "w", "window", "window", end, end, "pipe"))
    (dead_letter,) = await here.dead()
    assert dead_letter.at == here.now


async def test_retry_with_characters_that_sqs_refuses_arrives(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 3, "backoffMs": 1000})
    receivers.answers.append(PlainTextResponse("down", 503))
    assert (await here.deliver(event("a", text="\uffff\ufffe"))).retried == 1
    await here.settle()
    assert [got.body for got in receivers.hook.taken] == [orjson.dumps({"text": "\uffff\ufffe"})]


async def test_corrected_secret_is_used_by_other_processes_at_once(here: World, receivers: Receivers) -> None:
    """A redrive right after the correction meets the new value, wherever the old one was read before."""
    await here.secret("KEY", "whsec_éééé", "127.0.0.1")
    await here.webhook(receivers.url + "/hook", signingSecret="${secrets.KEY}")
    assert (await here.deliver(event("a"))).dead == 1
    here.secrets = copy(here.secrets)  # as the API's process has it: with a memory of its own
    here.secrets._opened = {}
    await here.secret("KEY", "whsec_c2lnbmluZyBzZWNyZXQ=", "127.0.0.1")
    assert len((await here.deliver(event("a"))).delivered) == 1
    (got,) = receivers.hook.taken
    assert got.headers["webhook-signature"].startswith("v1,")
