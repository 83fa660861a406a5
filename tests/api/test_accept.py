"""Requests opt into a stream by RFC 9110's rules."""

import pytest
from starlette.requests import Request

from millrace.api.accept import wants_stream


def request(accept: list[str], query: str = "") -> Request:
    headers = [(b"accept", value.encode()) for value in accept]
    return Request({"type": "http", "headers": headers, "query_string": query.encode()})


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ([], False),
        ([""], False),
        (["*/*"], False),
        (["application/json"], False),
        (["text/event-stream"], True),
        (["TEXT/EVENT-STREAM"], True),
        (["text/event-stream;charset=utf-8"], True),
        (["text/event-stream; q=0"], False),
        (["text/event-stream; q=0.5"], True),
        (["text/event-stream;q=0.5, application/json"], False),
        (["text/event-stream;q=0.5, application/json;q=0.4"], True),
        (["application/json, text/event-stream"], True),
        (["application/json", "text/event-stream"], True),
        (["text/*"], True),
        (["text/*, */*"], False),
        (["text/*;q=0.9, */*;q=0.1"], True),
        (["*/*;q=0.1, text/event-stream"], True),
        (["text/event-stream;q=0, */*"], False),
        (["text/html, application/xhtml+xml, */*;q=0.8"], False),
        (["text/event-stream;q=nonsense"], False),
        (["image/png"], False),
        ([", ,text/event-stream,"], True),
    ],
)
def test_accept_decides(accept: list[str], streams: bool) -> None:
    assert wants_stream(request(accept)) is streams


@pytest.mark.parametrize(
    ("query", "streams"),
    [("stream=true", True), ("stream=1", True), ("stream=false", False), ("stream=", True)],
)
def test_query_decides_first(query: str, streams: bool) -> None:
    assert wants_stream(request(["text/event-stream"], query)) is streams
    if query == "stream=true":
        assert wants_stream(request(["application/json"], query)) is True
