"""The parts of a message: which are valid, and what other consumers read of them."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from millrace.domain.content import (
    INLINE_BYTES,
    MOST_ATTACHMENTS,
    FilePart,
    ImagePart,
    Parts,
    TextPart,
    attachment,
    check_content,
    fingerprint,
    plain_text,
    text_of,
    to_blocks,
)
from millrace.domain.media import agrees, type_of
from millrace.errors import InvalidRequest, MillraceError, TooLarge, UnsupportedMedia

PARTS: TypeAdapter[Any] = TypeAdapter(Parts)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def test_parts_keep_their_order_and_text_stands_for_the_rest() -> None:
    content = PARTS.validate_python(
        [
            {"type": "text", "text": "Look:"},
            {"type": "image", "url": "https://example.com/a.png"},
            {"type": "file", "fileId": "file_1", "name": "report.pdf"},
            {"type": "text", "text": "What is it?"},
        ]
    )
    blocks = to_blocks(content, {2: {"mediaType": "application/pdf", "size": 7, "fileId": "file_1"}})
    assert blocks == [
        {"text": "Look:"},
        {"image": {"url": "https://example.com/a.png"}},
        {"file": {"mediaType": "application/pdf", "name": "report.pdf", "size": 7, "fileId": "file_1"}},
        {"text": "What is it?"},
    ]
    assert text_of(content) == "Look:\nWhat is it?"
    assert plain_text(blocks) == "Look:\n[image: https://example.com/a.png]\n[file: report.pdf]\nWhat is it?"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": ""},
        {"type": "image"},
        {"type": "image", "url": "https://x.example/a", "fileId": "file_1"},
        {"type": "image", "data": "AAAA"},
        {"type": "image", "data": "AAAA", "mediaType": "image/svg+xml"},
        {"type": "image", "data": "AAAA", "mediaType": "application/pdf"},
        {"type": "image", "url": "file:///etc/passwd"},
        {"type": "image", "url": "https://"},
        {"type": "file", "data": "AAAA", "mediaType": "text/html"},
        {"type": "file", "url": "https://x.example/a"},
        {"type": "file", "fileId": "file_1", "name": "a\nb"},
        {"type": "audio", "data": "AAAA", "mediaType": "audio/wav"},
        {"type": "image", "fileId": "file_1", "detail": "high"},
    ],
    ids=str,
)
def test_part_that_says_too_much_or_too_little_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PARTS.validate_python([part])


def test_types_by_their_other_names_are_known() -> None:
    assert ImagePart(data="AAAA", media_type="IMAGE/JPG; q=1").media_type == "image/jpeg"
    assert attachment("image/jpg", data="AAAA") == ImagePart(data="AAAA", media_type="image/jpeg")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            attachment(None, url="data:image/png;base64,AAAA"),
            ImagePart(data="AAAA", media_type="image/png"),
        ),
        (
            attachment("image/*", url="DATA:image/png;charset=x;base64,AAAA"),
            ImagePart(data="AAAA", media_type="image/png"),
        ),
        (
            attachment(None, url="data:,hello%20world"),
            FilePart(data="aGVsbG8gd29ybGQ=", media_type="text/plain"),
        ),
        (
            attachment(None, url="https://example.com/a"),
            ImagePart(url="https://example.com/a"),
        ),
        (
            attachment("application/pdf", data="AAAA", name="a.pdf"),
            FilePart(data="AAAA", media_type="application/pdf", name="a.pdf"),
        ),
        (attachment("image/png", file_id="file_1"), ImagePart(file_id="file_1", media_type="image/png")),
    ],
)
def test_attachment_of_any_protocol_becomes_a_part(made: object, expected: object) -> None:
    assert made == expected


@pytest.mark.parametrize("media_type", ["image/svg+xml", "text/html", "audio/wav", "application/zip", ""])
def test_attachment_of_a_type_that_no_model_reads_is_refused(media_type: str) -> None:
    with pytest.raises(UnsupportedMedia) as refused:
        attachment(media_type, data="AAAA")
    assert refused.value.code == "media_type_refused"


@pytest.mark.parametrize("url", ["data:image/png;base64", "ftp://example.com/a.png", "https://", "/a.png"])
def test_attachment_with_a_broken_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        attachment("image/png", url=url)


@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=80))
def test_attachment_never_breaks(media_type: str, name: str, url: str) -> None:
    for given_url in (url, f"data:{url}", f"https://{url}"):
        try:
            made = attachment(media_type, url=given_url, name=name)
            check_content([made])
            made.bytes()
        except MillraceError:
            pass


@given(st.binary(max_size=300))
def test_data_comes_back_whatever_the_padding(data: bytes) -> None:
    whole = base64.b64encode(data).decode()
    for text in (whole, whole.rstrip("="), "\n".join(whole[at : at + 60] for at in range(0, len(whole), 60))):
        assert ImagePart(data=text, media_type="image/png").bytes() == data


def test_data_that_is_no_base64_is_refused() -> None:
    for data in ("%%%%", "A", "AA==AA", "\u00e4\u00e4\u00e4\u00e4"):
        with pytest.raises(InvalidRequest):
            ImagePart(data=data, media_type="image/png").bytes()


def test_limits_are_told_before_anything_is_read() -> None:
    image = ImagePart(url="https://example.com/a.png")
    check_content([image] * MOST_ATTACHMENTS)
    with pytest.raises(InvalidRequest, match=str(MOST_ATTACHMENTS)):
        check_content([image] * (MOST_ATTACHMENTS + 1))
    large = ImagePart(data="A" * (INLINE_BYTES * 4 // 3 + 8), media_type="image/png")
    with pytest.raises(TooLarge) as refused:
        check_content([large])
    assert refused.value.details["limit"] == INLINE_BYTES
    for nothing in (" ", [TextPart(text=" \n")]):
        with pytest.raises(InvalidRequest, match="empty"):
            check_content(nothing)


def test_fingerprint_of_a_text_is_the_text_and_parts_differ_by_all_they_have() -> None:
    assert fingerprint("hello") == "hello"
    one = ImagePart(data="AAAA", media_type="image/png")
    others = [
        ImagePart(data="AAAB", media_type="image/png"),
        ImagePart(data="AAAA", media_type="image/gif"),
        ImagePart(data="AAAA", media_type="image/png", name="a"),
        ImagePart(file_id="AAAA", media_type="image/png"),
    ]
    assert len({fingerprint([part]) for part in (one, *others)}) == 5


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"%PDF-1.7\n", "application/pdf"),
        ("Zwölf".encode(), "text/plain"),
        ("Zwölf".encode()[:3], "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'>", None),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><script>", None),
        (b"<!-- --><svg>", None),
        (b"a < b and <b>bold</b>", "text/plain"),
        (b"MZ\x90\0", None),
        (b"PK\3\4", None),
        (b"\xff\xfea\0", None),
    ],
)
def test_type_is_told_by_the_bytes(data: bytes, expected: str | None) -> None:
    assert type_of(data) == expected


def test_declared_type_must_be_the_real_one() -> None:
    assert agrees("image/png", PNG)
    assert not agrees("image/jpeg", PNG)
    assert not agrees("text/plain", PNG)
    assert agrees("text/csv", b"a,b\n")
    assert not agrees("image/png", b"a,b\n")
    assert not agrees("text/plain", b"<svg onload='x()'>")
