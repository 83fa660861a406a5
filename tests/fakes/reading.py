"""Reads the images and PDFs of a request like a model, in the form of each protocol."""

import base64
import re
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import httpx

COLORS = {(0x10, 0x30, 0xF0): "Blue", (0xFF, 0xE8, 0x10): "yellow"}


def attached_to(body: dict[str, Any]) -> dict[str, bytes]:
    """Return the last attachment of each kind in the last turn of a request."""
    content = body["messages"][-1]["content"]
    return {} if isinstance(content, str) else dict(found for part in content for found in _found(part))


def _found(part: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    match part:
        case {"type": "image_url", "image_url": {"url": url}}:
            yield "image", _bytes(url, "data:image/png;base64,")
        case {"type": "file", "file": {"file_data": url, "filename": str()}}:
            yield "pdf", _bytes(url, "data:application/pdf;base64,")
        case {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}:
            yield "image", _bytes(data)
        case {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": data},
        }:
            yield "pdf", _bytes(data)
        case {"image": {"format": "png", "source": {"bytes": data}}}:
            yield "image", _bytes(data)
        case {"document": {"format": "pdf", "name": str(), "source": {"bytes": data}}}:
            yield "pdf", _bytes(data)


def _bytes(text: str, prefix: str = "") -> bytes:
    assert text.startswith(prefix)
    return base64.b64decode(text.removeprefix(prefix), validate=True)


def looked_at(files: dict[str, bytes], read: Collection[str]) -> list[str]:
    """Return a model's answers about the files that it reads. For the others it makes something up."""
    return [_seen[kind](data) if kind in read else "A cat, I suppose." for kind, data in files.items()]


def _colors(png: bytes) -> str:
    """Return the colors of the first pixel of the first row and of the last row."""
    width = int.from_bytes(png[16:20])
    start = png.index(b"IDAT")
    pixels = zlib.decompress(png[start + 4 : start + 4 + int.from_bytes(png[start - 4 : start])])
    row = 1 + 3 * width
    return " and ".join(COLORS[tuple(pixels[at + 1 : at + 4])] for at in (0, len(pixels) - row))  # type: ignore[index]


def _text(pdf: bytes) -> str:
    found = re.search(rb"\((.+?)\) Tj", pdf)
    assert found
    return found[1].decode()


_seen = {"image": _colors, "pdf": _text}


def refusal(path: str, status: int, message: str) -> httpx.Response:
    """Return an error in the format of a path's protocol."""
    if path.endswith("/converse-stream"):
        return httpx.Response(
            status, json={"message": message}, headers={"x-amzn-errortype": "ValidationException"}
        )
    error = {"type": "invalid_request_error", "message": message}
    body = {"type": "error", "error": error} if path.endswith("/messages") else {"error": error}
    return httpx.Response(status, json=body)
