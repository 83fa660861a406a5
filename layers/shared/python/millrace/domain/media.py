"""The media types that agents can be sent, and how to detect them from the bytes."""

import re
from collections.abc import Collection

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The only ones that the models of every provider read."""
PDF = "application/pdf"
TEXT_TYPES = ("text/plain", "text/markdown", "text/csv", "application/json")
"""Sent to a model as text. None of them is a type that a browser would run, such as HTML or SVG."""
FILE_TYPES = (PDF, *TEXT_TYPES)
MEDIA_TYPES = (*IMAGE_TYPES, *FILE_TYPES)
HEAD_BYTES = 1024
"""The number of bytes that are enough to detect the type."""

_SYNONYMS = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": PDF,
    "text/x-markdown": "text/markdown",
    "application/csv": "text/csv",
    "text/json": "application/json",
}
# A browser that sniffs the content would run text that begins like this.
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!--|\?xml|!doctype|(?:html|head|body|script|style|svg|iframe|object|embed|meta|"
    rb"title|table|div|font|img|a|b|h1|p|br)[\s/>])",
    re.I,
)

# Text never has these, but every archive and program does.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def plain_type(given: str) -> str:
    """Return a media type without its parameters, by the name that we use."""
    name = given.partition(";")[0].strip().lower()
    return _SYNONYMS.get(name, name)


def checked_type(given: str, allowed: Collection[str]) -> str:
    """Return the media type if it is one of the allowed ones. Raises `ValueError`."""
    name = plain_type(given)
    if name not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return name


def type_of(data: bytes) -> str | None:
    """Return the media type detected from the bytes: an image's or a PDF's, `text/plain` for text that no
    browser would run, otherwise None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    # Readers look for the marker within the first KB; requiring it at the start excludes files that are two
    # things at once.
    if data.startswith(b"%PDF-"):
        return PDF
    return "text/plain" if _is_text(data) else None


def _is_text(data: bytes) -> bool:
    if _CONTROL.search(data) or _MARKUP.match(data[:HEAD_BYTES]):
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        # The cut at the end may have split a character.
        return len(data) - error.start < 4 and error.reason == "unexpected end of data"
    return True


def agrees(declared: str, data: bytes) -> bool:
    """Return whether the bytes match their declared media type."""
    found = type_of(data)
    return found == declared or (found == "text/plain" and declared in TEXT_TYPES)
