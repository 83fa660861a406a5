"""Our HTTP/1.1 reader against h11: the same responses, and never one that h11 refuses."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.net.http1 import HEAD_BYTES, AnswerReader, Malformed, framing_of, write_head
from tests.effort import effort, soak


@dataclass(frozen=True)
class Seen:
    """An answer, as a client has read it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def read(method: bytes, pieces: Sequence[bytes]) -> tuple[AnswerReader, bytes]:
    """A reader that was given these, and the body that it gave."""
    reader = AnswerReader(method)
    return reader, b"".join(part for piece in pieces for part in reader.feed(piece))


def ours(method: bytes, pieces: Sequence[bytes]) -> Seen | None:
    """None for what is refused."""
    reader, body = read(method, pieces)
    try:
        if not reader.done:
            reader.end()
    except Malformed:
        return None
    assert reader.head is not None
    headers = [(name.lower(), value) for name, value in reader.head.headers]
    return Seen(reader.head.status, headers, body)


def of_h11(method: bytes, data: bytes) -> Seen | None:
    """The same of h11; the values of headers that set the framing are as they were sent."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"h")]))
    connection.send(h11.EndOfMessage())
    head, body = None, b""
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return Seen(head.status_code, list(head.headers), body)
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Answers of every framing, as servers write them."""
    body = draw(st.binary(max_size=60))
    line = draw(
        st.sampled_from([b"200 OK", b"200 ", b"200", b"404 Not Found", b"304 Not Modified", b"204 x"])
    )
    names = st.sampled_from([b"X-A", b"content-type", b"Connection", b"Set-Cookie"])
    values = st.sampled_from([b"a", b"", b"a  b", b"close", b"keep-alive, x", b"\xe9t\xe9", b"a\r\n b"])
    lines = [name + b": " + value for name, value in draw(st.lists(st.tuples(names, values), max_size=3))]
    kind = draw(st.sampled_from(["length", "chunked", "close", "twice"]))
    if kind in ("length", "twice"):
        lines += [b"Content-Length: %d" % len(body)] * (2 if kind == "twice" else 1)
    elif kind == "chunked":
        lines.append(draw(st.sampled_from([b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked "])))
        body = draw(chunked(body))
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 x\r\nLink: y\r\n\r\n"])
    )
    version = draw(st.sampled_from([b"1.1", b"1.0"]))
    head = b"HTTP/%b %b\r\n%b\r\n" % (version, line, b"".join(one + b"\r\n" for one in lines))
    head = head.replace(b"\r\n", b"\n") if draw(st.booleans()) else head
    return interim + head + body


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunks of any size, with extensions and trailers."""
    out, at = b"", 0
    while at < len(body):
        size = draw(st.integers(1, len(body) - at))
        extension = draw(st.sampled_from([b"", b";a=b", b";a", b"  "]))
        out += b"%x%b\r\n%b\r\n" % (size, extension, body[at : at + size])
        at += size
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n"]))
    return out + draw(st.sampled_from([b"0\r\n", b"000\r\n", b"0;x\r\n"])) + trailers + b"\r\n"


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The data in pieces."""
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(at)]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST"])
PLACES = st.lists(st.integers(0, 400), max_size=6)


@soak
@given(METHODS, answers(), PLACES)
@settings(max_examples=effort(300, 20_000), deadline=None)
def test_answers_are_read_as_h11_reads_them_wherever_they_are_cut(
    method: bytes, data: bytes, places: list[int]
) -> None:
    expected = of_h11(method, data)
    assert expected is not None
    found = ours(method, cut(data, places))
    assert found is not None
    assert (found.status, found.body) == (expected.status, expected.body)
    framing = (b"content-length", b"transfer-encoding")  # h11 writes these anew
    assert [one for one in found.headers if one[0] not in framing] == [
        one for one in expected.headers if one[0] not in framing
    ]
    assert found == ours(method, [bytes([byte]) for byte in data])


@soak
@given(
    METHODS,
    answers(),
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from("+-="), st.binary(min_size=1, max_size=3)), max_size=3
    ),
    PLACES,
)
@settings(max_examples=effort(400, 50_000), deadline=None)
@example(b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", [], [])
@example(b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", [], [])
@example(b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", [], [])
@example(b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", [], [])
@example(b"GET", b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na", [], [])
@example(b"GET", b"HTTP/1.1 099 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", [], [])
def test_parser_accepts_only_what_h11_reads_the_same(
    method: bytes, data: bytes, changes: list[tuple[int, str, bytes]], places: list[int]
) -> None:
    for at, how, what in changes:
        at %= len(data) + 1
        data = data[:at] + (what if how != "-" else b"") + data[at + (0 if how == "+" else len(what)) :]
    one_by_one = [bytes([byte]) for byte in data]
    assert read(method, cut(data, places))[1] == read(method, one_by_one)[1], "what came before a fault"
    found, expected = ours(method, cut(data, places)), of_h11(method, data)
    if found is not None:
        assert expected is not None
        assert (found.status, found.body) == (expected.status, expected.body)


@soak
@given(
    st.binary(max_size=8),
    st.binary(max_size=12),
    st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=8)), max_size=3),
)
@settings(max_examples=effort(300, 20_000), deadline=None)
@example(b"GET", b"/", [(b"A", b"b\r\nX: y")])
@example(b"GET", b"/ HTTP/1.1\r\nX: y\r\n", [])
@example(b"GET", b"/", [(b"A:", b"")])
def test_heads_that_are_written_arrive_as_they_are_or_are_refused(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    sent = [(b"Host", b"h"), *headers]
    try:
        data = write_head(method, target, sent)
        framing_of(sent)
    except Malformed:
        return
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (method, target)
    assert list(request.headers.raw_items()) == sent


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Content-Length", b"1"), (b"content-length", b"1")],
        [(b"Content-Length", b"+1")],
        [(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")],
        [(b"Transfer-Encoding", b"gzip, chunked")],
    ],
)
def test_request_whose_end_could_be_read_in_two_ways_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Malformed):
        framing_of(headers)


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", False),
        (b"HTTP/1.1 204 No Content\r\n\r\nx", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\na", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", False),
    ],
)
def test_connection_is_reusable_behind_a_whole_answer_and_nothing_else(data: bytes, reusable: bool) -> None:
    reader = AnswerReader(b"GET")
    reader.feed(data)
    assert reader.reusable is reusable


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 20_000,
    ],
)
def test_heads_lines_and_trailers_without_end_are_refused(endless: bytes) -> None:
    pieces = [endless[at : at + 1_000] for at in range(0, len(endless), 1_000)]
    assert read(b"GET", pieces)[0].wrong


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nA:" + b" " * 90_000 + b"\0\r\n\r\n", id="value"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b" + b" \t" * 45_000 + b"\0\r\n\r\n", id="behind a value"),
        pytest.param(CHUNKED + b"5;" + b" " * 250_000, id="extension"),
        pytest.param(CHUNKED + b"5" + b" " * 250_000, id="chunk"),
        pytest.param(CHUNKED + b"0\r\nA:" + b" " * 90_000 + b"\0\r\n\r\n", id="trailer"),
    ],
)
def test_long_lines_of_spaces_take_no_more_time_than_others(data: bytes) -> None:
    begun = time.process_time()
    assert read(b"GET", [data])[0].wrong
    assert time.process_time() - begun < 5, "the square of their length takes 15 s and more"


def test_interim_answers_without_end_are_refused() -> None:
    assert read(b"GET", [b"HTTP/1.1 102 Processing\r\n\r\n" * 100] * 100)[0].wrong


def test_head_that_comes_at_once_is_bounded_like_one_in_pieces() -> None:
    assert read(b"GET", [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"])[0].wrong
