"""Batches of the trace queue on their way to endpoints that fail, refuse, or belong to organizations."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from starlette.responses import Response

from millrace.services.traces import sending
from millrace.services.traces.endpoints import Endpoint, Endpoints, traces_url
from millrace.services.traces.export import MOST_RECEIVES
from millrace.services.traces.sending import SECONDS, Sender
from millrace.stores.deployment_secrets import DeploymentSecrets
from tests.aws import Aws
from tests.command_center.making import ended, run_event, whole_run
from tests.fakes.otlp import Collector, collecting
from tests.services.traces.exporting import TIME, Exporting, failed

SPANS = 3
"""Of `whole_run`: a model call, a tool call and the run."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture
def exporting(aws_environment: Aws, collector: Collector) -> Iterator[Exporting]:
    made = Exporting.to(aws_environment, collector.url)
    made.dead_letters()
    yield made
    made.stores.aws.close()


def secret_of(exporting: Exporting, value: Any) -> Exporting:
    """The same with a secret."""
    text = value if isinstance(value, str) else json.dumps(value)
    made = exporting.aws.client("secretsmanager").create_secret(
        Name=f"otlp-{id(exporting)}-{abs(hash(text))}", SecretString=text
    )
    return dataclasses.replace(exporting, settings=replace(exporting.settings, otlp_secret=made["ARN"]))


async def test_batch_is_sent_in_one_request_and_names_the_stack(
    exporting: Exporting, collector: Collector
) -> None:
    batch = exporting.batch(*whole_run("acme", "r1"))
    assert failed(batch, await exporting.exporter().export(batch, TIME)) == []
    assert [len(spans) for _, spans in collector.requests] == [SPANS]
    [resource] = collector.resources
    assert (resource["service.name"], resource["service.namespace"]) == ("millrace", "shop-prod")
    root = collector.named("invoke_agent Echo")
    assert {span.parent_span_id for span in collector.spans} == {b"", root.span_id}


async def test_spans_of_a_refused_request_are_sent_again(exporting: Exporting, collector: Collector) -> None:
    collector.answers.append(Response("busy", 503))
    batch = exporting.batch(*whole_run("acme", "r1"))
    spans = [n for n, event in enumerate(whole_run("acme", "r1")) if event["type"] in _SPAN_TYPES]
    assert failed(batch, await exporting.exporter().export(batch, TIME)) == spans
    assert exporting.dead_letters() == []
    assert failed(batch, await exporting.exporter().export(batch, TIME)) == []
    assert len({span.span_id for span in collector.spans}) == len(collector.spans) == SPANS


_SPAN_TYPES = {"run:llm_call", "run:tool_completed", "run:completed"}


async def test_endpoint_that_fails_is_left_alone_for_a_while(
    exporting: Exporting, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(sending, "monotonic", lambda: now[0])
    collector.answers.append(Response("slow down", 429, {"Retry-After": "30"}))
    exporter, batch = exporting.exporter(), exporting.batch(ended("acme", "r1"))
    for now[0] in (100.0, 129.0):
        assert failed(batch, await exporter.export(batch, TIME)) == [0]
    assert collector.asked == 1
    now[0] = 131.0
    assert failed(batch, await exporter.export(batch, TIME)) == []


async def test_invalid_span_is_a_dead_letter_and_the_others_are_sent(
    exporting: Exporting, collector: Collector
) -> None:
    collector.spoils = lambda span: span.name.startswith("execute_tool")
    batch = exporting.batch(*whole_run("acme", "r1"), *whole_run("acme", "r2"))
    assert failed(batch, await exporting.exporter().export(batch, TIME)) == []
    assert len(collector.spans) == 4
    dead = exporting.dead_letters()
    assert [one["detail"]["type"] for one in dead] == ["run:tool_completed"] * 2
    assert all("400" in one["reason"] and "spoiled" in one["reason"] for one in dead)


async def test_dead_letter_that_is_moved_back_is_exported(exporting: Exporting, collector: Collector) -> None:
    collector.spoils = lambda span: True
    await exporting.exporter().export(exporting.batch(ended("acme", "r1")), TIME)
    [dead] = exporting.dead_letters()
    collector.spoils = lambda span: False
    batch = exporting.batch(json.dumps(dead))
    assert failed(batch, await exporting.exporter().export(batch, TIME)) == []
    assert len(collector.spans) == 1


async def test_spans_that_failed_for_a_day_are_dead_letters_with_the_last_reason(
    exporting: Exporting, collector: Collector
) -> None:
    collector.answers.append(Response("who are you", 401))
    batch = exporting.batch(ended("acme", "r1"), receives=MOST_RECEIVES)
    assert failed(batch, await exporting.exporter().export(batch, TIME)) == []
    [dead] = exporting.dead_letters()
    assert "401" in dead["reason"]
    assert "who are you" in dead["reason"]


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        '{"detail": {"type": "run:completed"}}',
        json.dumps({"detail": run_event("acme", "r", 2, "llm_call")}),
    ],
)
async def test_message_that_is_no_event_is_a_dead_letter_and_spoils_no_other(
    exporting: Exporting, collector: Collector, body: str
) -> None:
    batch = exporting.batch(body, ended("acme", "r1"))
    assert failed(batch, await exporting.exporter().export(batch, TIME)) == []
    [dead] = exporting.dead_letters()
    assert dead["reason"]
    assert len(collector.spans) == 1


async def test_endpoint_that_nobody_answers_fails_and_raises_nothing(exporting: Exporting) -> None:
    gone = dataclasses.replace(
        exporting, settings=replace(exporting.settings, otlp_endpoint="http://127.0.0.1:1")
    )
    batch = gone.batch(ended("acme", "r1"))
    assert failed(batch, await gone.exporter().export(batch, TIME)) == [0]


async def test_headers_come_from_the_secret(exporting: Exporting, collector: Collector) -> None:
    known = secret_of(exporting, {"headers": {"x-honeycomb-team": "key"}})
    await known.exporter().export(known.batch(ended("acme", "r1")), TIME)
    [(headers, _)] = collector.requests
    assert headers["x-honeycomb-team"] == "key"


async def test_organization_has_an_endpoint_of_its_own_which_sees_no_other_key(
    exporting: Exporting, collector: Collector
) -> None:
    with collecting() as own:
        secret = {
            "headers": {"authorization": "of the stack"},
            "organizations": {
                "own": {"endpoint": own.url, "headers": {"x-key": "1"}},
                "bare": {"endpoint": own.url},
                "none": None,
            },
        }
        known = secret_of(exporting, secret)
        events = [ended(one, "r1") for one in ("own", "bare", "none", "acme")]
        batch = known.batch(*events)
        assert failed(batch, await known.exporter().export(batch, TIME)) == []
        assert sorted(headers.get("x-key", "") for headers, _ in own.requests) == ["", "1"]
        assert not [1 for headers, _ in own.requests if "authorization" in headers]
    [(headers, [span])] = collector.requests
    assert headers["authorization"] == "of the stack"
    assert span.name == "invoke_agent Echo"


@pytest.mark.parametrize(
    "secret",
    [
        "not json",
        [],
        {"headers": {"a": 1}},
        {"organizations": []},
        {"organizations": {"a": 7}},
        {"organizations": {"a": {"endpoint": "ftp://x"}}},
        {"organizations": {"a": {"texts": "yes"}}},
    ],
)
async def test_secret_with_a_mistake_keeps_the_events_and_tells_no_word_of_it(
    exporting: Exporting, secret: Any, caplog: pytest.LogCaptureFixture
) -> None:
    known = secret_of(exporting, secret)
    batch = known.batch(ended("acme", "r1"))
    assert failed(batch, await known.exporter().export(batch, TIME)) == [0]


def test_endpoint_may_be_the_base_of_all_signals_or_the_whole_address() -> None:
    assert traces_url("https://x.example/otel/") == "https://x.example/otel/v1/traces"
    assert traces_url("https://x.example/v1/traces") == "https://x.example/v1/traces"


async def test_request_to_x_ray_is_signed_and_others_are_not(
    exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b""))

    sender = Sender(exporting.stores.aws.credentials)
    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as http:
        for url in ("https://xray.eu-west-1.amazonaws.com/v1/traces", "https://xray.evil.example/v1/traces"):
            await sender.send(http, Endpoint(url), b"body")
    signed, bare = (request.headers.get("authorization", "") for request in seen)
    assert "/eu-west-1/xray/aws4_request" in signed
    assert "content-type" in signed.partition("SignedHeaders=")[2]
    assert bare == ""


def test_endpoint_of_an_organization_inherits_what_it_does_not_name(exporting: Exporting) -> None:
    known = secret_of(exporting, {"headers": {"a": "b"}, "organizations": {"loud": {"texts": True}}})
    endpoints = Endpoints(known.settings, DeploymentSecrets(known.stores.aws))
    url = traces_url(known.settings.otlp_endpoint)
    assert endpoints.of("loud") == Endpoint(url, {"a": "b"}, texts=True)
    assert endpoints.of("acme") == Endpoint(url, {"a": "b"}, texts=False)


async def test_batch_without_time_left_comes_again_before_the_function_is_killed(
    exporting: Exporting, collector: Collector
) -> None:
    batch = exporting.batch(ended("acme", "r1"))
    assert failed(batch, await exporting.exporter().export(batch, SECONDS)) == [0]
    assert collector.asked == 0


async def test_x_ray_without_credentials_fails_and_raises_nothing() -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as http:
        sent = await Sender(lambda: None).send(
            http, Endpoint("https://xray.eu-west-1.amazonaws.com/v1/traces"), b""
        )
    assert sent.result == "failed"
