"""Function URL payloads, format 2.0."""

import base64
import json
from typing import Any

import pytest

from local.payload import Head, MalformedResponse, Request, build_event, parse_prelude, parse_result


def event_of(**given: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {"method": "GET", "path": "/", "query": "", "headers": [], "body": b""}
    request = Request(**{**defaults, "source_ip": "127.0.0.1", **given})
    event: dict[str, Any] = json.loads(build_event(request, "abc.lambda-url.us-east-1.on.aws"))
    return event


def test_repeated_headers_are_joined_by_comma() -> None:
    event = event_of(headers=[("accept", "a"), ("accept", "b")])
    assert event["headers"] == {"accept": "a,b"}


def test_hop_by_hop_headers_are_not_forwarded() -> None:
    event = event_of(headers=[("connection", "keep-alive"), ("transfer-encoding", "chunked"), ("te", "x")])
    assert event["headers"] == {}


def test_empty_body_is_no_body() -> None:
    assert "body" not in event_of()


@pytest.mark.parametrize(
    ("kind", "binary"),
    [
        ("application/json; charset=utf-8", False),
        ("application/problem+json", False),
        ("text/plain", False),
        ("", False),
        ("application/octet-stream", True),
        ("application/x-www-form-urlencoded", True),
        ("image/png", True),
    ],
)
def test_only_text_travels_as_text(kind: str, binary: bool) -> None:
    event = event_of(method="POST", body=b"a=1", headers=[("content-type", kind)])
    assert event["isBase64Encoded"] is binary
    body = base64.b64decode(event["body"]) if binary else event["body"].encode()
    assert body == b"a=1"


def test_compressed_text_is_binary() -> None:
    headers = [("content-type", "text/plain"), ("content-encoding", "gzip")]
    assert event_of(method="POST", body=b"x", headers=headers)["isBase64Encoded"] is True


def test_domain_is_the_urls_own() -> None:
    context = event_of()["requestContext"]
    assert (context["domainName"], context["domainPrefix"]) == ("abc.lambda-url.us-east-1.on.aws", "abc")
    assert context["apiId"] == "abc"


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        ({"statusCode": 201, "body": "made"}, 201, b"made"),
        ({"statusCode": "204"}, 204, b""),
        ({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, 200, b"hi"),
        ({"message": "hi"}, 200, b'{"message": "hi"}'),
        ("hi", 200, b"hi"),
        (None, 200, b"null"),
        ([1], 200, b"[1]"),
    ],
)
def test_results_are_read_by_lambdas_rules(result: object, status: int, body: bytes) -> None:
    head, got = parse_result(json.dumps(result).encode())
    assert (head.status, got) == (status, body)


def test_streamed_prelude_gives_status_headers_and_cookies() -> None:
    prelude = {"statusCode": 200, "headers": {"X-A": 1}, "cookies": ["a=1", "b=2"]}
    head = parse_prelude(json.dumps(prelude).encode())
    assert head == Head(200, [("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])


@pytest.mark.parametrize(
    "result",
    [
        b"no json",
        b'{"statusCode": 99}',
        b'{"statusCode": 600}',
        b'{"statusCode": "many"}',
        b'{"statusCode": null}',
        b'{"statusCode": 200, "headers": ["a"]}',
        b'{"statusCode": 200, "headers": {"a": {"b": 1}}}',
        b'{"statusCode": 200, "headers": {"a": "b\\r\\nc: d"}}',
        b'{"statusCode": 200, "cookies": 1}',
        b'{"statusCode": 200, "cookies": ["a=1\\nset-cookie: b=2"]}',
        b'{"statusCode": 200, "body": {"a": 1}}',
        b'{"statusCode": 200, "body": "!", "isBase64Encoded": true}',
    ],
)
def test_malformed_response_is_reported(result: bytes) -> None:
    with pytest.raises(MalformedResponse):
        parse_result(result)


def test_prelude_that_is_no_object_is_told() -> None:
    with pytest.raises(MalformedResponse):
        parse_prelude(b"[]")


def test_length_and_framing_of_the_function_do_not_reach_the_client() -> None:
    prelude = {"statusCode": 200, "headers": {"content-length": "3", "transfer-encoding": "chunked"}}
    assert parse_prelude(json.dumps(prelude).encode()).headers == []
