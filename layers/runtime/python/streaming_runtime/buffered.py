"""A response that is sent in one piece, for sources that do not accept a stream."""

import json
from base64 import b64encode
from collections.abc import Iterator
from http import HTTPStatus
from itertools import product
from typing import Any

from streaming_runtime.errors import ErrorReport, ResponseError
from streaming_runtime.prelude import Prelude
from streaming_runtime.runtime_api import Invocation, RuntimeAPI
from streaming_runtime.sources import Source


class BufferedResponse:
    """Collects the body, and posts it or an error at the end. It is used like a ResponseStream."""

    def __init__(self, api: RuntimeAPI, invocation: Invocation, prelude: Prelude, source: Source) -> None:
        self._api = api
        self._invocation = invocation
        self._prelude = prelude
        self._source = source
        self._body = bytearray()
        self._result = b""

    async def write(self, data: bytes) -> None:
        """Add `data`. Raises ResponseError if the body exceeds the limit of the source."""
        self._body += data
        if len(self._body) > self._source.limit:
            raise self._too_large(len(self._body))

    def seal(self) -> None:
        """Encode the whole response. Raises ResponseError if it is too large."""
        self._result = json.dumps(answer(self._source, self._prelude, bytes(self._body))).encode("ascii")
        if len(self._result) > self._source.limit:
            raise self._too_large(len(self._result))

    async def end(self, error: ErrorReport | None = None) -> None:
        """Post the sealed response or the error. Raises ClientDisconnected."""
        if error is None:
            await self._api.respond_whole(self._invocation, self._result)
        else:
            await self._api.fail(self._invocation, error)

    async def settle(self, seconds: float) -> None:
        """Do nothing, because the host has already answered."""

    def abort(self) -> None:
        """Do nothing, because no connection has a partial response."""

    def _too_large(self, size: int) -> ResponseError:
        return ResponseError(
            f"a response of {size} bytes: {self._source.name} takes {self._source.limit} in one piece, as "
            "JSON; stream it through a function URL, or send less"
        )


def answer(source: Source, prelude: Prelude, body: bytes) -> dict[str, Any]:
    """Return the result of a proxy integration in the form that the source requires."""
    text, encoded = as_text(body, prelude)
    fields = {"statusCode": prelude.status, **headers_for(source, prelude)}
    if source.description:
        fields["statusDescription"] = f"{prelude.status} {phrase(prelude.status)}"
    return {**fields, "body": text, "isBase64Encoded": encoded}


def headers_for(source: Source, prelude: Prelude) -> dict[str, Any]:
    """Return headers and cookies, with every value exactly once."""
    if source.cookies:
        return {"headers": prelude.headers, "cookies": prelude.cookies}
    if source.multi_value:
        cookies = {"set-cookie": prelude.cookies} if prelude.cookies else {}
        return {"multiValueHeaders": {**prelude.values, **cookies}}
    # Each name can have only one value, but names that differ in case are different: each cookie gets a
    # spelling.
    spelled = dict(zip(spellings("set-cookie"), prelude.cookies, strict=False))
    return {"headers": {**prelude.headers, **spelled}}


def spellings(name: str) -> Iterator[str]:
    """Yield the name in every combination of upper and lower case."""
    return map("".join, product(*(sorted({character, character.upper()}) for character in name)))


def as_text(body: bytes, prelude: Prelude) -> tuple[str, bool]:
    """Return the body for the JSON result, and whether it is base64, as for compressed data and data that is
    not UTF-8."""
    if prelude.values.get("content-encoding", ["identity"]) == ["identity"]:
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return b64encode(body).decode("ascii"), True


def phrase(status: int) -> str:
    """Return the reason phrase of a status; empty if the status is unknown."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
