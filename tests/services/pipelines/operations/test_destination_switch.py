"""Destinations for operators: which receive nothing, since when and why, and the switch."""

import asyncio

import httpx

from millrace.services.delivery.destination_keys import destination_key_of
from millrace.stores.delivery_state import DestinationKey
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import WEBHOOK, made, pipeline
from tests.tokens import Issuer

MINUTE = 60_000
SLOW = {
    "type": "webhook",
    "name": "slow",
    "config": {"url": "https://slow.example.com/", "rateLimit": {"perSecond": 2, "burst": 4}},
}


def two(streaming: httpx.Client) -> str:
    definition = {name: value for name, value in pipeline().items() if name != "destination"}
    created = streaming.post("/pipelines", json=definition | {"destinations": [WEBHOOK, SLOW]})
    assert created.status_code == 201, created.text
    id: str = created.json()["id"]
    return id


def destination_key(plant: Plant, organization: str, id: str, number: int) -> DestinationKey:
    pipeline = asyncio.run(plant.context.pipelines.get(organization, id))
    targets = plant.context.plans.compiled(organization, pipeline).plan.definition.targets
    return destination_key_of(organization, id, number, targets[number])


def test_destinations_that_get_everything(streaming: httpx.Client) -> None:
    first, second = streaming.get(f"/pipelines/{two(streaming)}/destinations").json()["items"]
    assert first == {
        "destination": 0,
        "name": None,
        "type": "webhook",
        "state": "closed",
        "since": None,
        "until": None,
        "reason": "",
        "requests": {"succeeded": 0, "failed": 0},
        "rateLimit": None,
    }
    assert (second["name"], second["rateLimit"]) == ("slow", {"perSecond": 2, "burst": 4})


def test_requests_of_a_destination_are_those_of_the_current_minute(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = two(streaming)
    where = destination_key(plant, organization, id, 0)
    asyncio.run(plant.context.delivery_state.count(where, 5, 1, "The destination failed (503)."))

    def requests() -> dict[str, int]:
        found: dict[str, int] = streaming.get(f"/pipelines/{id}/destinations").json()["items"][0]["requests"]
        return found

    assert requests() == {"succeeded": 5, "failed": 1}
    plant.clock.pass_time(MINUTE)
    assert requests() == {"succeeded": 0, "failed": 0}


def test_destination_that_is_gone_is_named_and_enabled_again(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = two(streaming)
    state = plant.context.delivery_state
    where = destination_key(plant, organization, id, 1)
    asyncio.run(state.disable(where, "The destination is gone (410)."))
    plant.clock.pass_time(30 * 24 * 60 * MINUTE)
    listed = streaming.get(f"/pipelines/{id}/destinations").json()["items"]
    assert [one["state"] for one in listed] == ["closed", "disabled"]
    assert listed[1]["reason"] == "The destination is gone (410)."
    assert listed[1]["since"]
    health = streaming.get(f"/pipelines/{id}/health").json()
    assert health["status"] == "unhealthy"
    assert health["since"] == listed[1]["since"]
    (reason,) = health["reasons"]
    assert reason == "Destination 1 (webhook) is disabled and gets nothing: The destination is gone (410)."
    enabled = streaming.post(f"/pipelines/{id}/destinations/1/enable")
    assert (enabled.status_code, enabled.json()["state"]) == (200, "closed")
    assert asyncio.run(state.admit(where)).verdict == "go"
    assert streaming.get(f"/pipelines/{id}/health").json()["status"] == "healthy"


def test_circuit_that_is_open_half_open_and_closed(
    streaming: httpx.Client, plant: Plant, organization: str
) -> None:
    id = two(streaming)
    state = plant.context.delivery_state
    where = destination_key(plant, organization, id, 0)
    asyncio.run(state.count(where, 0, 20, "The destination failed (503)."))

    def to_public() -> tuple[str, str, str | None]:
        one = streaming.get(f"/pipelines/{id}/destinations").json()["items"][0]
        return one["state"], one["reason"], one["since"]

    opened = to_public()
    assert opened[:2] == ("open", "The destination failed (503).")
    plant.clock.pass_time(15_000)
    assert to_public() == ("half_open", *opened[1:])
    asyncio.run(state.admit(where))
    asyncio.run(state.probed(where, False, "No answer."))
    assert to_public() == ("open", "No answer.", opened[2])  # open since it first opened
    reasons = streaming.get(f"/pipelines/{id}/health").json()["reasons"]
    assert reasons == ["Destination 0 (webhook) fails and gets nothing for now: No answer."]
    plant.clock.pass_time(MINUTE)
    asyncio.run(state.admit(where))
    asyncio.run(state.probed(where, True))
    assert to_public() == ("closed", "", None)


def test_operator_switches_a_destination_off_and_on(
    streaming: httpx.Client, plant: Plant, organization: str, issuer: Issuer
) -> None:
    id = two(streaming)
    off = streaming.post(f"/pipelines/{id}/destinations/0/disable").json()
    assert (off["state"], off["reason"]) == ("disabled", "An operator disabled it.")
    assert (
        asyncio.run(plant.context.delivery_state.admit(destination_key(plant, organization, id, 0))).verdict
        == "disabled"
    )
    assert streaming.post(f"/pipelines/{id}/destinations/0/enable").json()["state"] == "closed"
    assert error_of(streaming.post(f"/pipelines/{id}/destinations/2/enable")) == (
        404,
        "destination_not_found",
    )
    assert streaming.post(f"/pipelines/{id}/destinations/one/enable").status_code == 422
    stranger = issuer.headers("stranger")
    refused = streaming.post(f"/pipelines/{id}/destinations/0/disable", headers=stranger)
    assert error_of(refused) == (404, "pipeline_not_found")
    reader = issuer.headers(organization, scope="pipelines:read")
    refused = streaming.post(f"/pipelines/{id}/destinations/0/disable", headers=reader)
    assert error_of(refused) == (403, "missing_scope")


def test_corrected_destination_begins_anew(streaming: httpx.Client) -> None:
    id = made(streaming)
    streaming.post(f"/pipelines/{id}/destinations/0/disable")
    other = {"type": "webhook", "config": {"url": "https://api.example.com/corrected"}}
    assert streaming.patch(f"/pipelines/{id}", json={"destination": other}).status_code == 200
    assert streaming.get(f"/pipelines/{id}/destinations").json()["items"][0]["state"] == "closed"
