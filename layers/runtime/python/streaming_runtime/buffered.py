"""A response that is sent whole, for sources that do not take a stream."""

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
    """Collects the body; it is posted at the end, or an error in its place. Used like a ResponseStream."""

    def __init__(self, api: RuntimeAPI, invocation: Invocation, prelude: Prelude, source: Source) -> None:
        self._api = api
        self._invocation = invocation
        self._prelude = prelude
        self._source = source
        self._body = bytearray()
        self._result = b""

    async def write(self, data: bytes) -> None:
        """Keep `data`; raises ResponseError when the body passes what the source takes."""
        self._body += data
        if len(self._body) > self._source.limit:
            raise self._too_large(len(self._body))

    def seal(self) -> None:
        """Encode the whole response; raises ResponseError for one that is too large."""
        self._result = json.dumps(answer(self._source, self._prelude, bytes(self._body))).encode("ascii")
        if len(self._result) > self._source.limit:
            raise self._too_large(len(self._result))

    async def end(self, error: ErrorReport | None = None) -> None:
        """Post the sealed response, or the error. Raises ClientDisconnected."""
        if error is None:
            await self._api.respond_whole(self._invocation, self._result)
        else:
            await self._api.fail(self._invocation, error)

    async def settle(self, seconds: float) -> None:
        """Do nothing: the host has answered already."""

    def abort(self) -> None:
        """Do nothing: no connection holds half of a response."""

    def _too_large(self, size: int) -> ResponseError:
        return ResponseError(
            f"a response of {size} bytes: {self._source.name} takes {self._source.limit} in one piece, as "
            "JSON; stream it through a function URL, or send less"
        )


def answer(source: Source, prelude: Prelude, body: bytes) -> dict[str, Any]:
    """The result of a proxy integration in the form that the source reads."""
    text, encoded = as_text(body, prelude)
    fields = {"statusCode": prelude.status, **headers_for(source, prelude)}
    if source.description:
        fields["statusDescription"] = f"{prelude.status} {phrase(prelude.status)}"
    return {**fields, "body": text, "isBase64Encoded": encoded}


def headers_for(source: Source, prelude: Prelude) -> dict[str, Any]:
    """Headers and cookies, each value once and none lost."""
    if source.cookies:
        return {"headers": prelude.headers, "cookies": prelude.cookies}
    if source.multi_value:
        cookies = {"set-cookie": prelude.cookies} if prelude.cookies else {}
        return {"multiValueHeaders": {**prelude.values, **cookies}}
    # One value per name is all there is, and names are told apart by case: each cookie gets a spelling.
    spelled = dict(zip(spellings("set-cookie"), prelude.cookies, strict=False))
    return {"headers": {**prelude.headers, **spelled}}


def spellings(name: str) -> Iterator[str]:
    """The name in every mixture of cases."""
    return map("".join, product(*(sorted({character, character.upper()}) for character in name)))


def as_text(body: bytes, prelude: Prelude) -> tuple[str, bool]:
    """The body as it stands in JSON, and whether that is base64: what is compressed or not UTF-8."""
    if prelude.values.get("content-encoding", ["identity"]) == ["identity"]:
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return b64encode(body).decode("ascii"), True


def phrase(status: int) -> str:
    """The words of a status; unknown ones have none of their own."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
