from binascii import crc32
from struct import pack

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.providers.event_stream import FRAME_LIMIT, EventStreamParser, Frame
from tests.agent.providers.asking import cuts
from tests.fakes.model_bytes import frame

names = st.text(st.characters(codec="ascii", categories=("L", "Nd")), min_size=1, max_size=20)
headers = st.dictionaries(names, st.text(max_size=30), max_size=4)
frames = st.lists(st.tuples(headers, st.binary(max_size=200)), max_size=6)


def parsed(chunks: list[bytes]) -> list[Frame]:
    parser = EventStreamParser()
    return [found for chunk in chunks for found in parser.feed(chunk)]


@given(frames, st.lists(st.integers(0, 5000)))
def test_any_frames_cut_anywhere_read_as_botocore_reads_them(sent: list[Frame], positions: list[int]) -> None:
    body = b"".join(frame(*each) for each in sent)
    theirs = EventStreamBuffer()
    theirs.add_data(body)
    ours = parsed(cuts(body, positions))
    assert ours == sent
    assert repr(ours) == repr([(message.headers, message.payload) for message in theirs])


@given(st.integers(0), st.integers(1, 255))
def test_damaged_bytes_are_noticed(position: int, change: int) -> None:
    body = bytearray(frame({":event-type": "x"}, b'{"text": "hello"}'))
    body[position % len(body)] ^= change
    with pytest.raises(ValueError, match="damaged"):
        parsed([bytes(body)])


def test_frame_beyond_the_limit_is_refused_before_it_is_held() -> None:
    with pytest.raises(ValueError, match="too long"):
        parsed([frame({}, b"x" * FRAME_LIMIT)[:100]])


@pytest.mark.parametrize(
    "packed", [b"\x01a\x63", b"\x05a", b"\x01a\x07\x00", b"\x01\xff\x00", b"\x01a\x07\x00\x01b" * 2]
)
def test_broken_headers_are_refused(packed: bytes) -> None:
    good = frame({}, packed)
    body = rebuilt(good, len(packed))
    with pytest.raises(ValueError, match="headers"):
        parsed([body])


def rebuilt(body: bytes, size: int) -> bytes:
    """The frame with its payload declared as headers, CRCs right."""
    prelude = body[:4] + pack(">I", size)
    head = prelude + pack(">I", crc32(prelude)) + body[12:-4]
    return head + pack(">I", crc32(head))
