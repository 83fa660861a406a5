"""Ids of webhook events: the sender's own, or one for each arrival."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from millrace.api.webhooks_app import create_app
from millrace.domain.signatures import Scheme
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, pipeline
from tests.services.pipelines.intake.test_webhooks import SCHEMES, secret_for, signed, source
from tests.serving import served

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def webhooks(plant: Plant) -> Iterator[httpx.Client]:
    """A stranger's client of the webhooks function's app."""
    with (
        served(create_app(plant.context.settings, plant.context)) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


class Sender:
    """Sends to one pipeline, signed by its scheme at the time of the test's clock."""

    def __init__(self, webhooks: httpx.Client, plant: Plant, pipeline_id: str, scheme: Scheme | None) -> None:
        self._hooks = webhooks
        self._plant = plant
        self._path = f"/hooks/{pipeline_id}"
        self._scheme = scheme

    def post(self, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        self._plant.clock.now += 1_000
        body = json.dumps(content).encode()
        proof = signed(self._scheme, body, self._plant.clock.now // 1000) if self._scheme else {}
        return self._hooks.post(self._path, content=body, headers=proof | (headers or {}))

    def ids(self, content: Any, headers: dict[str, str] | None = None) -> list[str]:
        answer = self.post(content, headers)
        assert answer.status_code == 202, answer.text
        found: list[str] = answer.json()["ids"]
        return found


def sender(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, scheme: Scheme | None = None
) -> Sender:
    id = made(streaming, source=source(scheme, secret_for(scheme)) if scheme else source())
    return Sender(webhooks, plant, id, scheme)


STRIPE = {"id": "evt_1NG8Du2eZvKYlo2CUI79vXWy", "object": "event", "type": "charge.succeeded"}
SLACK = {"type": "event_callback", "event_id": "Ev0PV52K21", "event": {"type": "app_mention"}}


@pytest.mark.parametrize(
    ("scheme", "payload", "changed", "id"),
    [
        ("stripe", STRIPE, {"pending_webhooks": 2}, "evt_1NG8Du2eZvKYlo2CUI79vXWy"),
        ("slack", SLACK, {"event_context": "other"}, "Ev0PV52K21"),
    ],
)
def test_event_that_names_itself_is_the_same_in_every_delivery(
    streaming: httpx.Client,
    webhooks: httpx.Client,
    plant: Plant,
    scheme: Scheme,
    payload: dict[str, Any],
    changed: dict[str, Any],
    id: str,
) -> None:
    stripe = sender(streaming, webhooks, plant, scheme)
    assert [stripe.ids(payload), stripe.ids(payload | changed)] == [[id], [id]]


@pytest.mark.parametrize("scheme", [None, "github", "shopify", "hmac"])
@pytest.mark.parametrize(
    "name", ["x-github-delivery", "x-shopify-webhook-id", "webhook-id", "ce-id", "idempotency-key"]
)
def test_delivery_that_is_named_keeps_its_id(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, scheme: Scheme | None, name: str
) -> None:
    any_sender = sender(streaming, webhooks, plant, scheme)
    headers = {"x-github-delivery": ""} | {name: "delivery-1"}
    assert [any_sender.ids({"n": 1}, headers) for _ in range(2)] == [["delivery-1"]] * 2
    assert any_sender.ids({"n": 1}, headers | {name: "delivery-2"}) == ["delivery-2"]


def test_cloud_events_are_known_by_source_and_id(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant
) -> None:
    clouds = sender(streaming, webhooks, plant)
    one = {"specversion": "1.0", "id": "7", "source": "/meters/1", "type": "reading", "data": {"kWh": 7}}
    other = one | {"source": "/meters/2"}
    assert clouds.ids([one, other]) == ["/meters/1 7", "/meters/2 7"]
    assert clouds.ids(one, {"content-type": "application/cloudevents+json"}) == ["/meters/1 7"]
    binary = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/meters/1", "ce-type": "reading"}
    assert clouds.ids({"kWh": 7}, binary) == ["/meters/1 7"]
    assert clouds.ids({"kWh": 7}, binary | {"ce-source": "/meters/2"}) == ["/meters/2 7"]


@pytest.mark.parametrize("scheme", [None, *(one for one in SCHEMES if one not in ("standard", "github"))])
def test_equal_bodies_without_an_id_are_two_events(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, scheme: Scheme | None
) -> None:
    meter = sender(streaming, webhooks, plant, scheme)
    ids = [id for _ in range(3) for id in meter.ids([{"meter": 1, "kWh": 7}] * 2)]
    assert len(set(ids)) == 6
    plant.transform()
    assert plant.payloads() == [{"meter": 1, "kWh": 7}] * 6


def test_id_in_a_body_of_no_known_shape_is_data(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant
) -> None:
    """An order's number is the same in all that is told of it."""
    shop = sender(streaming, webhooks, plant, "hmac")
    reported = [shop.ids({"id": "order-1", "event_id": "x", "state": state}) for state in ("new", "paid")]
    assert reported[0] != reported[1]


@pytest.mark.parametrize("id", [7, None, "", ["x"], {"a": 1}])
def test_id_that_is_no_text_counts_as_none(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, id: Any
) -> None:
    stripe = sender(streaming, webhooks, plant, "stripe")
    assert stripe.ids({"id": id}) != stripe.ids({"id": id})


def test_long_ids_are_shortened_and_stay_apart(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant
) -> None:
    stripe = sender(streaming, webhooks, plant, "stripe")
    ids = [stripe.ids({"id": "x" * 500 + end})[0] for end in "aab"]
    assert ids[0] == ids[1] != ids[2]
    assert max(map(len, ids)) <= 200


CHALLENGE = {"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": "3eZbrw1aBm2r", "type": "url_verification"}


def test_slacks_question_is_answered_and_is_no_event(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant
) -> None:
    slack = sender(streaming, webhooks, plant, "slack")
    answer = slack.post(CHALLENGE)
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1aBm2r"})
    assert error_of(slack.post(CHALLENGE, {"x-slack-signature": "v0=00"})) == (401, "signature_invalid")
    assert plant.waiting() == []


def test_slacks_question_is_answered_before_the_pipeline_starts(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant
) -> None:
    created = streaming.post("/pipelines", json=pipeline(source=source("slack"))).json()["id"]
    slack = Sender(webhooks, plant, created, "slack")
    assert slack.post(CHALLENGE).json() == {"challenge": "3eZbrw1aBm2r"}
    assert error_of(slack.post({"n": 1})) == (409, "pipeline_not_running")


@pytest.mark.parametrize("scheme", [None, "hmac"])
def test_only_slack_may_send_url_verification(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, scheme: Scheme | None
) -> None:
    assert len(sender(streaming, webhooks, plant, scheme).ids(CHALLENGE)) == 1


def test_type_is_what_the_sender_says(streaming: httpx.Client, webhooks: httpx.Client, plant: Plant) -> None:
    sender(streaming, webhooks, plant, "shopify").ids({"n": 1})
    plant.transform()
    assert [event["type"] for job in plant.deliveries() for event in job["events"]] == ["orders/create"]


def push(streaming: httpx.Client, id: str, key: str, *items: Any) -> list[str]:
    headers = {"idempotency-key": key} if key else {}
    answer = streaming.post(f"/pipelines/{id}/batch", json=list(items), headers=headers)
    assert answer.status_code == 202, answer.text
    found: list[str] = answer.json()["ids"]
    return found


def test_equal_items_are_two_events_unless_their_key_is_the_same(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming)
    item = {"meter": 1, "kWh": 7}
    assert len({*push(streaming, id, "", item, item), *push(streaming, id, "", item, item)}) == 4
    first = push(streaming, id, "k", item, item)
    plant.clock.now += DAY_MS - 60_000
    assert push(streaming, id, "k", item, item) == first
    assert len(set(first)) == 2


def test_key_that_is_used_again_after_its_day_makes_other_events(
    streaming: httpx.Client, plant: Plant
) -> None:
    id = made(streaming)
    monday = push(streaming, id, "daily", {"total": 1})
    plant.clock.now += DAY_MS + 60_000
    assert push(streaming, id, "daily", {"total": 2}) != monday
