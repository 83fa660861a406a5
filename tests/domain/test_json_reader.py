"""The JSON reader: what it refuses, what it preserves, and limits of compressed bodies."""

import gzip
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.json_reader import (
    DEEPEST,
    InvalidJson,
    inflate,
    read_documents,
    read_json,
    read_lines,
    read_shallow,
)
from millrace.errors import InvalidRequest, TooLarge, UnsupportedMedia

KEPT: list[tuple[bytes, Any]] = [
    (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    (b"18446744073709551615", 2**64 - 1),
    (b"-9223372036854775808", -(2**63)),
    (b"0.12345678901234567890123", 0.12345678901234567890123),
    (b'"123456789012345678901234567890"', "123456789012345678901234567890"),
    (b'{"a":{"a":1},"b":"\\":","c":"x\\u0022:"}', {"a": {"a": 1}, "b": '":', "c": 'x":'}),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b"[" * 600 + b"]" * 600, None),
]
REFUSED = [
    (b"NaN", "not JSON"),
    (b'{"a":Infinity}', "not JSON"),
    (b"1e999", "not JSON"),
    (b"18446744073709551616", "64 bits"),
    (b'{"a":-9223372036854775809}', "64 bits"),
    (b"1" * 400, "JSON"),
    (b'{"a":1,"a":2}', "key 'a' twice"),
    (b'[{"a":{"b":1, "b" :1}}]', "key 'b' twice"),
    (b'{"a":1,"\\u0061":2}', "key 'a' twice"),
    (b'{"a":1,"a":2,"s":"\\u0022:"}', "key 'a' twice"),
    (b'{"a":1,"a":2,"s":"\\"\\u0020:"}', "key 'a' twice"),
    (b'"\\ud800"', "not JSON"),
    (b'"\xff"', "not JSON"),
    (b"[" * 5_000 + b"]" * 5_000, "depth"),
    (b"", "not JSON"),
    (b'{"a":1} x', "not JSON"),
]


@pytest.mark.parametrize(("data", "value"), KEPT)
def test_document_that_all_readers_agree_on_is_read(data: bytes, value: Any) -> None:
    found = read_json(data)
    assert value is None or found == value


@pytest.mark.parametrize(("data", "words"), REFUSED, ids=[str(data[:30]) for data, _ in REFUSED])
def test_document_that_would_lose_something_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidJson, match=words) as error:
        read_json(data)
    assert (error.value.status, error.value.code) == (422, "invalid_json")


LEAVES = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
DOCUMENTS = st.recursive(
    LEAVES | INTEGERS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]))
def test_any_document_without_doubled_keys_is_read(value: Any, ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii, indent=indent).encode("utf-8", "surrogatepass")
    assert read_json(text) == value


@given(DOCUMENTS, st.text(max_size=4), st.booleans(), st.booleans())
def test_doubled_key_is_found_wherever_it_stands(value: Any, key: str, escaped: bool, deep: bool) -> None:
    name, other = json.dumps(key), json.dumps(key, ensure_ascii=escaped)
    text = f'{{{name}:1,"x{key and ""}y":{json.dumps(value)},{other} :2}}'
    with pytest.raises(InvalidJson, match="twice"):
        read_json((f"[[{text}]]" if deep else text).encode())


def test_shallow_document_has_so_many_levels_and_no_more() -> None:
    assert read_shallow(b"[" * DEEPEST + b"]" * DEEPEST)
    with pytest.raises(InvalidJson, match="nested more than 100"):
        read_shallow(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))


def test_lines_are_read_one_by_one() -> None:
    assert read_lines(b'\xef\xbb\xbf{"a":1}\r\n\n {"a":2}\n') == [{"a": 1}, {"a": 2}]
    with pytest.raises(InvalidJson, match="Line 2 is not JSON"):
        read_lines(b'{"a":1}\n{')


def test_content_type_decides_how_a_body_is_read() -> None:
    assert read_documents(b"1\n2", "application/x-ndjson; charset=utf-8") == [1, 2]
    assert read_documents(b"[1]", "application/vnd.api+json") == read_documents(b"[1]", "") == [1]
    with pytest.raises(UnsupportedMedia):
        read_documents(b"[1]", "text/plain")


@given(st.binary(max_size=2_000), st.integers(1, 3))
def test_compressed_body_is_what_was_compressed(data: bytes, members: int) -> None:
    assert inflate(gzip.compress(data, mtime=0) * members, "gzip", 10_000) == data * members
    assert inflate(data, "", 10_000) == data


def test_bomb_is_refused_before_it_fills_memory() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, mtime=0)
    with pytest.raises(TooLarge):
        inflate(bomb, "gzip", 1_000_000)


@pytest.mark.parametrize(
    "data", [b"no gzip", gzip.compress(b"x" * 100, mtime=0)[:-5], gzip.compress(b"x", mtime=0) + b"rest"]
)
def test_damaged_compression_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as error:
        inflate(data, "gzip", 1_000)
    assert error.value.code == "invalid_encoding"


def test_many_small_members_are_refused_before_they_take_time() -> None:
    with pytest.raises(InvalidRequest, match="100 members") as error:
        inflate(gzip.compress(b"", mtime=0) * 101, "gzip", 1_000)
    assert error.value.code == "invalid_encoding"
    assert inflate(gzip.compress(b"x", mtime=0) * 100, "gzip", 1_000) == b"x" * 100


def test_unknown_encoding_is_refused() -> None:
    with pytest.raises(UnsupportedMedia):
        inflate(b"x", "br", 1_000)
    assert orjson.loads(inflate(b"{}", "identity", 10)) == {}
