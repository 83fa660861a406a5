"""Calls that wait for a person as the source of pipelines."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, pipeline
from tests.services.pipelines.processing.test_flow import send


def approval_event(organization: str, state: str, agent: str = "clerk") -> dict[str, Any]:
    """A call that waits, or was answered, as its run puts it on the bus."""
    kind, time = f"approval:{state}", "2027-01-15T08:00:00.000Z"
    detail = {"id": f"run_{agent}:{kind}", "type": kind, "time": time, "organization": organization}
    return {
        "version": "0",
        "id": f"bus-{kind}-{agent}",
        "detail-type": kind,
        "source": "millrace.approval",
        "time": time,
        "detail": detail | {"runId": f"run_{agent}", "agentId": agent, "callId": "c1", "name": "refund"},
    }


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["clerk requested", "clerk answered", "payer requested"]),
        ({"states": ["requested"]}, ["clerk requested", "payer requested"]),
        ({"agentIds": ["payer"]}, ["payer requested"]),
        ({"agentIds": ["payer"], "states": ["answered"]}, []),
    ],
)
def test_pipeline_takes_the_calls_that_it_asks_for(
    streaming: httpx.Client,
    plant: Plant,
    organization: str,
    chosen: dict[str, Any],
    expected: list[str],
) -> None:
    made(streaming, source={"type": "approval"} | chosen)
    own = [approval_event(organization, "requested"), approval_event(organization, "answered")]
    more = [approval_event(organization, "requested", "payer"), approval_event("another", "requested")]
    send(plant, *own, *more)
    assert plant.transform() == {"batchItemFailures": []}
    payloads = [event["payload"] for job in plant.deliveries() for event in job["events"]]
    assert [f"{one['agentId']} {one['type'].removeprefix('approval:')}" for one in payloads] == expected


def test_state_that_calls_do_not_have_is_refused(streaming: httpx.Client) -> None:
    refused = streaming.post("/pipelines", json=pipeline(source={"type": "approval", "states": ["open"]}))
    assert error_of(refused) == (422, "invalid_definition")
    assert refused.json()["error"]["problems"][0]["path"] == "source.states.0"
