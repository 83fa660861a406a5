"""Requests to pipelines whose source comes from another package."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from millrace.api.webhooks_app import create_app
from tests.api.talk import error_of
from tests.fakes.packages import acme, installed
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, made, pipeline
from tests.serving import served

SOURCE = {"type": "acme", "secret": "sesame", "kinds": ["order"]}
BODY = {"changes": [{"id": "1", "kind": "order"}, {"id": "2", "kind": "visit"}, {"id": "3", "kind": "order"}]}
FAILING = """
from millrace.pipelines.definitions.extensions import SourceType
from millrace.pipelines.definitions.sources import ExtensionSource

def receive(source, request):
    return {}[request.body]

class Config(ExtensionSource):
    pass

source = SourceType(config=Config, receive=receive)
"""


@pytest.fixture
def hooks(plant: Plant) -> Iterator[httpx.Client]:
    with served(create_app(plant.context.settings, plant.context)) as url:
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client


def send(hooks: httpx.Client, id: str, token: str = "sesame") -> httpx.Response:
    return hooks.post(f"/hooks/{id}", json=BODY, headers={"x-acme-token": token})


def test_package_checks_its_sender_and_makes_the_events(
    tmp_path: Path, plant: Plant, streaming: httpx.Client, hooks: httpx.Client
) -> None:
    with acme(tmp_path):
        id = made(streaming, source=SOURCE, start=False)
        act(streaming, id, "start")
        assert error_of(send(hooks, id, "guessed")) == (401, "signature_invalid")
        assert send(hooks, id).status_code == 202
        plant.transform()
        assert [one["id"] for one in plant.payloads()] == ["1", "3"]


def test_sender_comes_again_when_the_package_fails(
    tmp_path: Path, streaming: httpx.Client, hooks: httpx.Client
) -> None:
    points = {"sources": {"failing": "failing_one:source"}}
    with installed(tmp_path, "failing-one", FAILING, points):
        id = made(streaming, source={"type": "failing"}, start=False)
        act(streaming, id, "start")
        assert error_of(send(hooks, id)) == (503, "unavailable")


def test_source_without_its_package_says_so(
    tmp_path: Path, plant: Plant, streaming: httpx.Client, hooks: httpx.Client
) -> None:
    with acme(tmp_path):
        id = made(streaming, source=SOURCE, start=False)
        act(streaming, id, "start")
    plant.context.plans._compiled.clear()
    assert error_of(send(hooks, id)) == (501, "extension_missing")


def test_pipeline_of_a_package_is_created_and_its_address_is_ours_to_give(
    tmp_path: Path, streaming: httpx.Client
) -> None:
    config = {"url": "https://acme.example/in", "token": "plain"}
    definition = pipeline(source=SOURCE, destination={"type": "acme", "config": config})
    with acme(tmp_path):
        created = streaming.post("/pipelines", json=definition)
        assert (created.status_code, created.json()["destination"]["config"]) == (201, config)
        assert error_of(streaming.put("/pipelines/mine", json=definition)) == (422, "invalid_id")
        assert "AcmeConfig" in streaming.get("/schema").json()["$defs"]
    # The package is gone: what is stored can still be read, paused and deleted.
    id = created.json()["id"]
    assert streaming.get(f"/pipelines/{id}").json()["source"] == SOURCE
    assert streaming.delete(f"/pipelines/{id}").status_code == 204
