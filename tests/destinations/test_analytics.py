"""Mixpanel, Amplitude and Segment against receivers that check their rules."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError
from starlette.responses import JSONResponse, PlainTextResponse

from millrace.destinations.amplitude import Amplitude
from millrace.destinations.mixpanel import Mixpanel
from millrace.destinations.results import Dead, Retry
from millrace.destinations.segment import Segment
from millrace.destinations.wire import HttpDestination
from millrace.pipelines.definitions.destinations import (
    AmplitudeConfig,
    Analytics,
    MixpanelConfig,
    SegmentConfig,
)
from tests.destinations.sending import NOW, event, kinds, send
from tests.fakes.receivers import TOKEN, Receivers

Make = Callable[[Receivers], HttpDestination]


def mixpanel(receivers: Receivers, **config: Any) -> Mixpanel:
    given = {"provider": "mixpanel", "projectToken": TOKEN} | config
    return Mixpanel(MixpanelConfig.model_validate(given), receivers.url)


def amplitude(receivers: Receivers, **config: Any) -> Amplitude:
    given = {"provider": "amplitude", "apiKey": TOKEN} | config
    return Amplitude(AmplitudeConfig.model_validate(given), receivers.url)


def segment(receivers: Receivers, **config: Any) -> Segment:
    given = {"provider": "segment", "writeKey": TOKEN} | config
    return Segment(SegmentConfig.model_validate(given), receivers.url)


def accepted(receivers: Receivers, name: str) -> list[Any]:
    return list(getattr(receivers, name).taken.values())


ALL: list[Any] = [
    pytest.param("mixpanel", mixpanel, id="mixpanel"),
    pytest.param("amplitude", amplitude, id="amplitude"),
    pytest.param("segment", segment, id="segment"),
]


@pytest.mark.parametrize(("name", "make"), ALL)
async def test_events_arrive_once_however_often_they_are_sent(
    receivers: Receivers, client: httpx.AsyncClient, name: str, make: Make
) -> None:
    events = [event(f"run/{n}:" + "x" * 60, userId="u1", cost=n) for n in range(5)]
    for _ in range(2):
        assert kinds(await send(make(receivers), client, *events)) == ["delivered"] * 5
    assert len(accepted(receivers, name)) == 5


@pytest.mark.parametrize(("name", "make"), ALL)
async def test_event_without_a_person_dies_and_the_others_arrive(
    receivers: Receivers, client: httpx.AsyncClient, name: str, make: Make
) -> None:
    sent = await send(make(receivers), client, event("a", userId="u"), event("b"), event("c", userId="u"))
    assert kinds(sent) == ["delivered", "dead:incomplete", "delivered"]
    assert len(accepted(receivers, name)) == 2


@pytest.mark.parametrize(("name", "make"), ALL)
async def test_expressions_name_the_event_and_the_person(
    receivers: Receivers, client: httpx.AsyncClient, name: str, make: Any
) -> None:
    destination = make(receivers, event="upper(kind)", distinctId="agent.id")
    await send(destination, client, event(kind="done", agent={"id": "a-7"}))
    (one,) = accepted(receivers, name)
    said = {**one, **one.get("properties", {})}
    assert "DONE" in (said.get("event"), said.get("event_type"))
    assert "a-7" in (said.get("distinct_id"), said.get("user_id"), said.get("userId"))


@pytest.mark.parametrize(("name", "make"), ALL)
async def test_wrong_credential_is_final(
    receivers: Receivers, client: httpx.AsyncClient, name: str, make: Any
) -> None:
    field = {"mixpanel": "projectToken", "amplitude": "apiKey", "segment": "writeKey"}[name]
    sent = await send(make(receivers, **{field: "wrong"}), client, event(userId="u"))
    assert kinds(sent) == ["dead:refused"]
    assert sent.failed == 0


@pytest.mark.parametrize(("name", "make"), ALL)
async def test_throttling_is_tried_again_as_asked_and_breaks_no_circuit(
    receivers: Receivers, client: httpx.AsyncClient, name: str, make: Make
) -> None:
    receivers.answers.append(JSONResponse({}, 429, headers={"Retry-After": "30"}))
    sent = await send(make(receivers), client, event(userId="u"))
    (result,) = sent.results
    assert isinstance(result, Retry)
    assert result.failure.retry_after == 30
    assert (sent.succeeded, sent.failed) == (0, 0)


async def test_mixpanels_400_is_a_partial_success(receivers: Receivers, client: httpx.AsyncClient) -> None:
    sent = await send(
        mixpanel(receivers),
        client,
        event("a", userId="u"),
        event("b", userId="anonymous"),
        event("c", time=0, userId="u"),
        event("d", userId="u"),
    )
    assert kinds(sent) == ["delivered", "dead:refused", "dead:refused", "delivered"]
    assert len(receivers.mixpanel.taken) == 2
    assert isinstance(sent.results[1], Dead)
    assert "distinct_id" in sent.results[1].failure.message
    assert receivers.requests == 1


async def test_mixpanel_gets_the_events_own_time_so_that_it_knows_repetitions(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    await send(mixpanel(receivers), client, event("a", userId="u"))
    ((_, person, time, id),) = receivers.mixpanel.taken
    assert (person, time, id) == ("u", NOW, "a")


async def test_amplitude_drops_the_bad_events_and_sends_the_rest_again(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    events = [event(f"e{n}", time=2**43 if n in (3, 7) else NOW, userId="u") for n in range(10)]
    sent = await send(amplitude(receivers), client, *events)
    assert [n for n, kind in enumerate(kinds(sent)) if kind != "delivered"] == [3, 7]
    assert len(receivers.amplitude.taken) == 8
    assert receivers.amplitude.requests == 2


async def test_amplitude_halves_what_is_too_large(receivers: Receivers, client: httpx.AsyncClient) -> None:
    receivers.amplitude.most = 4
    sent = await send(amplitude(receivers), client, *(event(f"e{n}", userId="u") for n in range(10)))
    assert kinds(sent) == ["delivered"] * 10
    assert len(receivers.amplitude.taken) == 10


async def test_single_event_that_is_too_large_is_final(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    receivers.always = PlainTextResponse("too large", 413)
    assert kinds(await send(amplitude(receivers), client, event(userId="u"))) == ["dead:too_large"]


async def test_segment_is_asked_nothing_that_it_would_lose(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    sent = await send(
        segment(receivers), client, event("a", userId="u", text="x" * 33_000), event("b", userId="u")
    )
    assert kinds(sent) == ["dead:too_large", "delivered"]
    assert receivers.segment.gone == []


async def test_segments_requests_stay_below_its_limit(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    events = [event(f"e{n}", userId="u", text="x" * 30_000) for n in range(40)]
    assert kinds(await send(segment(receivers), client, *events)) == ["delivered"] * 40
    assert receivers.requests == 3


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"failed_records": 5}', b'{"failed_records": [{"index": 99}, {"index": "0"}]}'],
)
async def test_unreadable_400_kills_all_and_nothing_else(
    receivers: Receivers, client: httpx.AsyncClient, body: bytes
) -> None:
    receivers.always = PlainTextResponse(body, 400)
    for make in (mixpanel, amplitude):
        sent = await send(make(receivers), client, event("a", userId="u"), event("b", userId="u"))
        assert kinds(sent) == ["dead:refused"] * 2


@pytest.mark.parametrize(
    ("config", "make", "url"),
    [
        ({"provider": "mixpanel"}, Mixpanel, "https://api.mixpanel.com/import"),
        ({"provider": "mixpanel", "region": "eu"}, Mixpanel, "https://api-eu.mixpanel.com/import"),
        ({"provider": "mixpanel", "region": "in"}, Mixpanel, "https://api-in.mixpanel.com/import"),
        ({"provider": "amplitude"}, Amplitude, "https://api2.amplitude.com/2/httpapi"),
        ({"provider": "amplitude", "region": "eu"}, Amplitude, "https://api.eu.amplitude.com/2/httpapi"),
        ({"provider": "segment"}, Segment, "https://api.segment.io/v1/batch"),
        ({"provider": "segment", "region": "eu"}, Segment, "https://eu1.api.segmentapis.com/v1/batch"),
    ],
)
def test_each_region_has_an_address_of_its_own(config: dict[str, str], make: Any, url: str) -> None:
    credentials = {"mixpanel": "projectToken", "amplitude": "apiKey", "segment": "writeKey"}
    given = config | {credentials[config["provider"]]: TOKEN}
    request = make(TypeAdapter(Analytics).validate_python(given)).request([], NOW)
    assert request.url.partition("?")[0] == url


@pytest.mark.parametrize("provider", ["amplitude", "segment"])
def test_region_that_a_service_does_not_have_is_refused(provider: str) -> None:
    with pytest.raises(ValidationError, match="region"):
        TypeAdapter(Analytics).validate_python({"provider": provider, "apiKey": "k", "region": "in"})
