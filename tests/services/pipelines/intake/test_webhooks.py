"""Incoming webhooks: signed by their senders, verified on the raw bytes."""

import base64
import gzip
import hmac
import json
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from typing import Any

import httpx
import pytest

from millrace.api.webhooks_app import create_app
from millrace.domain.signatures import Scheme, check_signature
from millrace.errors import Unauthenticated
from millrace.pipelines.reader import Reader
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, made, pipeline
from tests.serving import served

SECRET = "a-secret-of-the-test"
STANDARD = "whsec_" + base64.b64encode(SECRET.encode()).decode()
BODY = b'{"n": 1,  "text": "\xc3\xa9"}'
NOW = 1_800_000_000_000


def hexed(signed: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed, sha256).hexdigest()


def signed(scheme: Scheme, body: bytes = BODY, seconds: int = NOW // 1000) -> dict[str, str]:
    """The headers that the senders' own documentation describes."""
    time = str(seconds)
    if scheme == "github":
        return {"x-hub-signature-256": f"sha256={hexed(body)}", "x-github-delivery": "guid-1"}
    if scheme == "stripe":
        old = hexed(b"another")
        return {"stripe-signature": f"t={time},v1={old},v1={hexed(f'{time}.'.encode() + body)},v0=x"}
    if scheme == "slack":
        signature = hexed(f"v0:{time}:".encode() + body)
        return {"x-slack-request-timestamp": time, "x-slack-signature": f"v0={signature}"}
    if scheme == "shopify":
        digest = hmac.new(SECRET.encode(), body, sha256).digest()
        return {
            "x-shopify-hmac-sha256": base64.b64encode(digest).decode(),
            "x-shopify-topic": "orders/create",
        }
    if scheme == "hmac":
        return {"x-signature": hexed(body)}
    digest = hmac.new(SECRET.encode(), f"msg_1.{time}.".encode() + body, sha256).digest()
    signature = base64.b64encode(digest).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": time, "webhook-signature": f"v1a,x v1,{signature}"}


SCHEMES: list[Scheme] = ["standard", "github", "stripe", "slack", "shopify", "hmac"]
TIMED: list[Scheme] = ["standard", "stripe", "slack"]


def secret_for(scheme: Scheme) -> str:
    return STANDARD if scheme == "standard" else SECRET


@pytest.mark.parametrize("scheme", SCHEMES)
def test_good_signature_holds_and_any_change_breaks_it(scheme: Scheme) -> None:
    headers = signed(scheme)
    check_signature(scheme, secret_for(scheme), headers, BODY, NOW)
    for changed in (BODY + b" ", BODY[:-1], b""):
        with pytest.raises(Unauthenticated):
            check_signature(scheme, secret_for(scheme), headers, changed, NOW)
    with pytest.raises(Unauthenticated):
        check_signature(scheme, base64.b64encode(b"other").decode(), headers, BODY, NOW)
    for name in headers:
        if name not in ("x-github-delivery", "x-shopify-topic"):
            for value in ("", "v1,", "t=,v1=", "\xff", "9" * 500):
                with pytest.raises(Unauthenticated):
                    check_signature(scheme, secret_for(scheme), headers | {name: value}, BODY, NOW)


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize("off", [-301, 301])
def test_old_or_future_signature_does_not_hold(scheme: Scheme, off: int) -> None:
    headers = signed(scheme, seconds=NOW // 1000 + off)
    with pytest.raises(Unauthenticated, match="five minutes"):
        check_signature(scheme, secret_for(scheme), headers, BODY, NOW)


SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def test_examples_in_the_senders_own_documentation_hold() -> None:
    github = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": github}
    check_signature("github", "It's a Secret to Everybody", headers, b"Hello, World!", NOW)
    slack = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    check_signature("slack", "8f742231b10e8888abcd99yyyzzz85a5", slack, SLACK_BODY, 1_531_420_618_000)


@pytest.fixture
def webhooks(plant: Plant) -> Iterator[httpx.Client]:
    """A stranger's client of the webhooks function's app."""
    with (
        served(create_app(plant.context.settings, plant.context)) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def source(scheme: Scheme | None = None, secret: str = SECRET) -> dict[str, Any]:
    return {"type": "webhook"} | ({"verify": scheme, "secret": secret} if scheme else {})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_signed_webhook_becomes_an_event(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, scheme: Scheme
) -> None:
    id = made(streaming, source=source(scheme, secret_for(scheme)))
    seconds = plant.clock.now // 1000
    answer = webhooks.post(f"/hooks/{id}", content=BODY, headers=signed(scheme, seconds=seconds))
    assert answer.status_code == 202
    plant.transform()
    assert plant.payloads() == [{"n": 1, "text": "é"}]
    for headers in ({}, signed(scheme, b"{}", seconds)):
        assert error_of(webhooks.post(f"/hooks/{id}", content=BODY, headers=headers)) == (
            401,
            "signature_invalid",
        )
    assert plant.waiting() == []


def test_repeated_delivery_has_the_same_id(streaming: httpx.Client, webhooks: httpx.Client) -> None:
    id = made(streaming, source=source("github"))
    ids = [
        webhooks.post(f"/hooks/{id}", content=BODY, headers=signed("github")).json()["ids"] for _ in range(2)
    ]
    assert ids == [["guid-1"], ["guid-1"]]


def test_secret_may_stand_in_the_store(streaming: httpx.Client, webhooks: httpx.Client) -> None:
    stored = {"value": SECRET, "hosts": ["api.github.com"]}
    assert streaming.put("/secrets/HOOK", json=stored).status_code == 200
    id = made(streaming, source=source("github", "${secrets.HOOK}"))
    assert webhooks.post(f"/hooks/{id}", content=BODY, headers=signed("github")).status_code == 202


def test_lists_and_forms_are_read(streaming: httpx.Client, webhooks: httpx.Client, plant: Plant) -> None:
    id = made(streaming, source=source())
    assert len(webhooks.post(f"/hooks/{id}", json=[{"n": 1}, {"n": 2}]).json()["ids"]) == 2
    webhooks.post(f"/hooks/{id}", data={"payload": json.dumps({"n": 3})})
    webhooks.post(f"/hooks/{id}", data={"command": "/weather", "text": "94070", "user": ""})
    plant.transform()
    found = plant.payloads()
    assert [one for one in found if "n" in one] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert {"command": "/weather", "text": "94070", "user": ""} in found


@pytest.mark.parametrize("body", [b"", b"nothing", b"7", b"[]", b"[1]", b'{"a":' * 300 + b"1" + b"}" * 300])
def test_invalid_event_is_refused(streaming: httpx.Client, webhooks: httpx.Client, body: bytes) -> None:
    id = made(streaming, source=source())
    assert webhooks.post(f"/hooks/{id}", content=body).status_code == 422


def test_body_beyond_its_limit_is_refused(streaming: httpx.Client, webhooks: httpx.Client) -> None:
    id = made(streaming, source=source())
    large = b'{"a": "' + b"x" * 1024 * 1024 + b'"}'
    assert error_of(webhooks.post(f"/hooks/{id}", content=large)) == (413, "too_large")


def test_strangers_cannot_tell_pipelines_without_webhooks_from_none(
    streaming: httpx.Client, webhooks: httpx.Client
) -> None:
    other = made(streaming)
    for id in (other, "pipeline_unknown", "%00", "x" * 300):
        assert error_of(webhooks.post(f"/hooks/{id}", json={})) == (404, "pipeline_not_found")
    created = streaming.post("/pipelines", json=pipeline(source=source())).json()["id"]
    assert error_of(webhooks.post(f"/hooks/{created}", json={})) == (409, "pipeline_not_running")
    act(streaming, created, "start")
    assert webhooks.post(f"/hooks/{created}", json={}).status_code == 202


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-ndjson", b'{"n":1}\n\n{"n":2}\n'),
        ("application/jsonl; charset=utf-8", b'\xef\xbb\xbf{"n":1}\r\n{"n":2}'),
        ("application/json", b'\xef\xbb\xbf[{"n":1},{"n":2}]'),
    ],
)
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_json_lines_and_gzip_are_read_by_hooks_and_batch(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, kind: str, body: bytes, encoding: str
) -> None:
    id = made(streaming, source=source())
    headers = {"content-type": kind} | ({"content-encoding": "gzip"} if encoding else {})
    content = gzip.compress(body) if encoding else body
    for client, path in ((webhooks, f"/hooks/{id}"), (streaming, f"/pipelines/{id}/batch")):
        answer = client.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 2), answer.text
    plant.transform()
    assert plant.payloads() == [{"n": 1}, {"n": 2}] * 2


def test_signature_is_of_the_compressed_bytes(streaming: httpx.Client, webhooks: httpx.Client) -> None:
    id = made(streaming, source=source("hmac"))
    content = gzip.compress(BODY)
    headers = signed("hmac", content) | {"content-encoding": "gzip"}
    assert webhooks.post(f"/hooks/{id}", content=content, headers=headers).status_code == 202


UNREADABLE = [
    b'{"a":NaN}',
    b'{"a":1,"a":2}',
    b'{"a":123456789012345678901}',
    b'{"a":"\\ud800"}',
    b'{"a":"\xff"}',
]


@pytest.mark.parametrize("document", UNREADABLE)
def test_every_way_in_refuses_the_same_json(
    streaming: httpx.Client, webhooks: httpx.Client, plant: Plant, document: bytes
) -> None:
    id = made(streaming, source=source())
    item, items = document, b"[" + document + b"]"
    answers = [
        webhooks.post(f"/hooks/{id}", content=item),
        streaming.post(f"/pipelines/{id}/process", content=item),
        streaming.post(f"/pipelines/{id}/batch", content=items),
        streaming.post(f"/pipelines/{id}/batch", content=item, headers={"content-type": "application/jsonl"}),
        streaming.post(f"/pipelines/{id}/dry-run", content=b'{"events":' + items + b"}"),
    ]
    assert [error_of(one) for one in answers] == [(422, "invalid_json")] * 5
    assert plant.waiting() == []
    reader = Reader(BytesIO(document), envelope=False, start="2026-01-01T00:00:00Z")
    assert list(reader.chunks()) == [[]]
    assert len(reader.problems) == 1


def test_deep_event_is_refused_everywhere(streaming: httpx.Client, webhooks: httpx.Client) -> None:
    id = made(streaming, source=source())
    deep = b'{"a":' + b"[" * 300 + b"1" + b"]" * 300 + b"}"
    for client, path in ((webhooks, f"/hooks/{id}"), (streaming, f"/pipelines/{id}/process")):
        assert client.post(path, content=deep).status_code == 422


def test_bomb_and_damaged_gzip_are_refused(streaming: httpx.Client, webhooks: httpx.Client) -> None:
    id = made(streaming, source=source())
    headers = {"content-encoding": "gzip"}
    bomb = gzip.compress(b'{"a":"' + b"x" * 20_000_000 + b'"}')
    for client, path in ((webhooks, f"/hooks/{id}"), (streaming, f"/pipelines/{id}/batch")):
        assert client.post(path, content=bomb, headers=headers).status_code == 413
        assert client.post(path, content=b"no gzip", headers=headers).status_code == 422
        assert client.post(path, content=b"{}", headers={"content-encoding": "br"}).status_code == 415
