"""The nesting depth of requests to the management API."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, pipeline


def nested(levels: int) -> dict[str, Any]:
    """An object with so many levels."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_event_may_be_as_deep_as_the_documentation_says(plant: Plant, streaming: httpx.Client) -> None:
    id = made(streaming)
    body = {"items": [{"payload": nested(100)}]}
    answer = streaming.post(f"/pipelines/{id}/batch", json=body)
    assert answer.status_code == 202, answer.text
    plant.transform()
    assert plant.payloads() == [nested(100)]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/pipelines", pipeline(description=nested(200))),
        ("PUT", "/pipelines/mine", pipeline(description=nested(200))),
        ("POST", "/dry-run", {"definition": pipeline(), "events": [nested(200)]}),
        ("PUT", "/secrets/NAME", {"value": nested(200)}),
    ],
)
def test_body_that_is_nested_too_deeply_is_refused(
    streaming: httpx.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = streaming.request(method, path, json=body)
    assert error_of(answer) == (422, "invalid_json")
    assert "nested" in answer.json()["error"]["message"]
