"""Every kind of HTTP event is recognized by its shape and version; unsupported ones are refused with
advice."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime import sources
from streaming_runtime.asgi import Scope
from streaming_runtime.errors import BadRequestError, EventError
from streaming_runtime.events import http_request, load_event
from streaming_runtime.sources import Source, source_of
from tests.runtime.gateways import http_api_event, load_balancer_event, rest_api_event
from tests.runtime.harness import workers
from tests.runtime.host import Host, url_event
from tests.runtime.send import hello

ERROR_TYPE = "lambda-runtime-function-error-type"
URL_CONTEXT = {
    "domainName": "abc.lambda-url.eu-west-1.on.aws",
    "http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.7"},
    "stage": "$default",
}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = [
    url_event(),
    http_api_event(),
    rest_api_event(),
    load_balancer_event(),
    load_balancer_event(multi_value=True),
]


def scope_of(event: object) -> Scope:
    return http_request(load_event(json.dumps(event).encode())[0])[0]


@pytest.mark.parametrize(
    ("event", "source"),
    [
        (url_event(), sources.FUNCTION_URL),
        (url_event(requestContext=URL_CONTEXT), sources.FUNCTION_URL),
        (http_api_event(), sources.HTTP_API),
        (rest_api_event(), sources.REST_API),
        (rest_api_event(version="1.0"), sources.HTTP_API_1_0),
        (load_balancer_event(), sources.LOAD_BALANCER),
        (load_balancer_event(multi_value=True), sources.LOAD_BALANCER_MULTI_VALUE),
    ],
)
def test_source_is_told_by_the_event_s_shape(event: dict[str, Any], source: Source) -> None:
    assert source_of(event) is source


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"key": "value"}, "as in a direct invoke"),
        ({"Records": [{"eventSource": "aws:sqs", "body": ""}]}, "records of aws:sqs"),
        ({"Records": [{"EventSource": "aws:sns"}]}, "records of aws:sns"),
        ({"requestContext": {"connectionId": "c", "routeKey": "$connect"}}, "WebSocket API"),
        (url_event(version="3.0"), "payload format '3.0' is not known"),
    ],
)
def test_event_that_is_not_served_is_called_by_its_name(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(EventError, match=reason):
        source_of(event)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (http_api_event(), "an HTTP API"),
        (rest_api_event(version="1.0"), "an HTTP API"),
        (load_balancer_event(), "a load balancer"),
    ],
)
async def test_source_that_cannot_take_a_stream_is_refused_with_the_setting(
    host: Host, event: dict[str, Any], name: str
) -> None:
    async with workers(hello, host):
        refused = await host.invoke(event).done()
        served = await host.invoke().done()
    assert refused.sent_headers[ERROR_TYPE] == "Runtime.UnsupportedEvent"
    assert f"it comes from {name}" in refused.error["errorMessage"]
    assert "STREAMING_RUNTIME_MODE=buffered" in refused.error["errorMessage"]
    assert served.body == b"hello"


def test_load_balancer_s_parameters_are_not_encoded_twice() -> None:
    scope = scope_of(load_balancer_event("/a%20b/%C3%BC"))
    assert scope["query_string"] == b"q=a%20b+c&empty="
    assert (scope["path"], scope["raw_path"]) == ("/a b/ü", b"/a%20b/%C3%BC")
    assert (scope["scheme"], scope["client"]) == ("http", ("192.0.2.8", 0))
    several = scope_of(load_balancer_event(multi_value=True))
    assert several["query_string"] == b"q=a%20b+c&empty=&r=1&r=2"


def test_rest_api_s_parameters_are_encoded_once() -> None:
    assert scope_of(rest_api_event())["query_string"] == b"q=a+b&q=%2541"


@pytest.mark.parametrize(
    ("event", "root_path", "path"),
    [
        (url_event("/prod/items"), "", "/prod/items"),
        (http_api_event("/items"), "", "/items"),
        (http_api_event("/dev/items", stage="dev"), "/dev", "/dev/items"),
        (http_api_event("/dev", stage="dev"), "/dev", "/dev"),
        (http_api_event("/device", stage="dev"), "", "/device"),
        (rest_api_event("/items"), "/prod", "/prod/items"),
        (rest_api_event("/prod/items"), "/prod", "/prod/prod/items"),
        (rest_api_event("/a b"), "/prod", "/prod/a b"),
        (rest_api_event("/a b", full="/prod/a%20b"), "/prod", "/prod/a b"),
        (rest_api_event("/", full="/prod"), "/prod", "/prod/"),
        # A domain of its own, mapped with a base path: both paths are the same, the stage is in neither.
        (rest_api_event("/v1/items", full="/v1/items"), "", "/v1/items"),
        (load_balancer_event("/items"), "", "/items"),
    ],
)
def test_root_path_is_the_stage(event: dict[str, Any], root_path: str, path: str) -> None:
    scope = scope_of(event)
    assert (scope["root_path"], scope["path"]) == (root_path, path)


def test_cookie_headers_are_joined_into_one() -> None:
    event = rest_api_event(multiValueHeaders={"Cookie": ["a=1", "b=2"], "Accept": ["x"]})
    assert scope_of(event)["headers"] == [(b"accept", b"x"), (b"cookie", b"a=1; b=2")]


@pytest.mark.parametrize("declared", ["3", "5000", "five", "1, 2"])
def test_content_length_is_that_of_the_body_that_the_app_gets(declared: str) -> None:
    scope = scope_of(url_event(headers={"Content-Length": declared}, body="hello"))
    assert scope["headers"] == [(b"content-length", b"5")]


async def test_bad_base64_is_answered_with_400_and_never_reaches_the_app(host: Host) -> None:
    async with workers(hello, host):
        call = await host.invoke(url_event(method="POST", body="%%%", isBase64Encoded=True)).done()
        text = await host.invoke(url_event(method="POST", body="é", isBase64Encoded=True)).done()
    for refused in (call, text):
        assert refused.prelude["statusCode"] == 400
        error = json.loads(refused.body)["error"]
        assert error["code"] == "bad_request"
        assert "base64" in error["message"]


@given(st.data())
def test_any_event_is_a_request_or_refused_by_the_runtime_s_own_errors(data: st.DataObject) -> None:
    event = json.loads(json.dumps(data.draw(st.sampled_from(KINDS))))
    parts = [event, event["requestContext"]]
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from(parts))
        part[data.draw(st.sampled_from([*part, "body", "isBase64Encoded", "cookies", "stage"]))] = data.draw(
            JSON
        )
    try:
        scope, body = http_request(load_event(json.dumps(event).encode())[0])
    except (EventError, BadRequestError):
        return
    assert isinstance(body, bytes)
    assert all(isinstance(part, bytes) for field in scope["headers"] for part in field)
    assert isinstance(scope["path"], str)
