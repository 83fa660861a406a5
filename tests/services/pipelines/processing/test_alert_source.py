"""Alerts of the command center as the source of pipelines."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, pipeline
from tests.services.pipelines.processing.test_flow import send


def alert_event(organization: str, state: str, rule: str = "r1") -> dict[str, Any]:
    """An alert as the command center puts it on the bus."""
    kind, time = f"alert:{state}", "2027-01-15T08:00:00.000Z"
    alert = {"id": f"{rule}:1", "ruleId": rule, "name": "Errors", "state": state, "value": 0.5}
    detail = {"id": f"{rule}:{kind}", "type": kind, "time": time, "organization": organization}
    return {
        "version": "0",
        "id": f"bus-{kind}-{rule}",
        "detail-type": kind,
        "source": "millrace.alert",
        "time": time,
        "detail": detail | {"alert": alert},
    }


def delivered(plant: Plant) -> list[tuple[str, str]]:
    """Rules and states in the order they left."""
    events = [event["payload"]["alert"] for job in plant.deliveries() for event in job["events"]]
    return [(alert["ruleId"], alert["state"]) for alert in events]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, [("r1", "triggered"), ("r1", "resolved"), ("r2", "triggered")]),
        ({"states": ["triggered"]}, [("r1", "triggered"), ("r2", "triggered")]),
        ({"ruleIds": ["r1"]}, [("r1", "triggered"), ("r1", "resolved")]),
        ({"ruleIds": ["r2"], "states": ["resolved"]}, []),
    ],
)
def test_pipeline_takes_the_alerts_that_it_asks_for(
    streaming: httpx.Client,
    plant: Plant,
    organization: str,
    chosen: dict[str, Any],
    expected: list[tuple[str, str]],
) -> None:
    made(streaming, source={"type": "alert"} | chosen)
    own = [alert_event(organization, "triggered"), alert_event(organization, "resolved")]
    send(plant, *own, alert_event(organization, "triggered", "r2"), alert_event("another", "triggered"))
    assert plant.transform() == {"batchItemFailures": []}
    assert delivered(plant) == expected


def test_state_that_alerts_do_not_have_is_refused(streaming: httpx.Client) -> None:
    refused = streaming.post("/pipelines", json=pipeline(source={"type": "alert", "states": ["open"]}))
    assert error_of(refused) == (422, "invalid_definition")
    assert refused.json()["error"]["problems"][0]["path"] == "source.states.0"
