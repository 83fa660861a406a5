"""The status, headers and cookies of a response."""

import json
import re
from collections.abc import Iterable

from streaming_runtime.errors import ResponseError

PRELUDE_END = b"\0" * 8
# They describe the connection between app and server; the host has its own.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
# Joining values of these would produce another value, so two different ones are an error of the app.
SINGLE = {"content-length", "content-type", "content-range", "date", "etag", "last-modified", "location"}
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
BAD_VALUE = re.compile(r"[\r\n\0]")


class Prelude:
    """The part that is sent before the body. Raises ResponseError for values that HTTP does not allow."""

    def __init__(self, status: int, headers: Iterable[Iterable[bytes]]) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ResponseError(f"a response needs a status from 200 to 599, not {status!r}")
        self.status = status
        self.values: dict[str, list[str]] = {}
        self.cookies: list[str] = []
        for name, value in headers:
            self._add(name.decode("latin-1").lower(), value.decode("latin-1"))
        self.length = self._length()

    def _add(self, name: str, value: str) -> None:
        if not NAME.fullmatch(name) or BAD_VALUE.search(value):
            raise ResponseError(f"the response header {name!r} holds characters that HTTP forbids")
        if name == "set-cookie":
            self.cookies.append(value)
        elif name not in HOP_BY_HOP:
            self._add_value(self.values.setdefault(name, []), name, value)

    def _add_value(self, values: list[str], name: str, value: str) -> None:
        if name not in SINGLE or not values:
            values.append(value)
        elif value != values[0]:
            raise ResponseError(f"the response header {name!r} was sent twice: {values[0]!r} and {value!r}")

    def _length(self) -> int | None:
        """The length of the body that the app declares."""
        if "content-length" not in self.values:
            return None
        [text] = self.values["content-length"]
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise ResponseError(f"the response's Content-Length is not a number of bytes: {text!r}")
        return int(text)

    def drop_length(self) -> None:
        """Remove the declared length, if another body than the app's is sent."""
        self.values.pop("content-length", None)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers with their values joined."""
        return {name: ", ".join(values) for name, values in self.values.items()}

    def encode(self, multi_value: bool = False) -> bytes:
        """Return Lambda's metadata JSON (ASCII, so without NUL) and the eight NUL bytes that end it."""
        fields = {"statusCode": self.status, "headers": self.headers, "cookies": self.cookies}
        if multi_value and (several := {name: each for name, each in self.values.items() if len(each) > 1}):
            fields["headers"] = {name: value for name, value in self.headers.items() if name not in several}
            fields["multiValueHeaders"] = several
        return json.dumps(fields, separators=(",", ":")).encode("ascii") + PRELUDE_END
