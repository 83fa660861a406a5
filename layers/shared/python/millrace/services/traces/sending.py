"""Requests with spans, and what their answers mean."""

import gzip
import ssl
from functools import cache
from time import monotonic
from typing import Any, Literal

import httpx
from msgspec import Struct

from millrace.net.errors import AddressNotAllowed, RequestFailed
from millrace.net.fetch import Fetched, fetch
from millrace.services.traces.endpoints import Endpoint
from millrace.services.traces.otlp import MESSAGE, rejection

SECONDS = 8.0
"""Of one request. The function has 20 s for a batch, whose endpoints are asked side by side."""
PAUSE_SECONDS, LONGEST_PAUSE = 5.0, 60.0
TOO_MUCH = frozenset({400, 413, 422})
"""Statuses that say something of a request's spans: fewer of them may be taken."""


class Sent(Struct, frozen=True):
    """The result of a request, with the reason: `taken` (perhaps not all of it), `refused` for what is in it,
    or `failed`."""

    result: Literal["taken", "refused", "failed"]
    reason: str = ""


class Pauses:
    """Endpoints that do not answer, each with the time until which it is left alone: nobody waits for the
    timeout of another organization's endpoint more often than that."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def over(self, url: str) -> bool:
        return self._until.get(url, 0.0) <= monotonic()

    def begin(self, url: str, retry_after: str | None = None) -> None:
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else PAUSE_SECONDS
        self._until[url] = monotonic() + min(seconds, LONGEST_PAUSE)


class Sender:
    """Sends bodies to endpoints. `credentials` are botocore's, for those of AWS."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self.pauses = Pauses()

    async def send(self, http: httpx.AsyncClient, endpoint: Endpoint, body: bytes) -> Sent:
        """Send one request. What went wrong is in the result; nothing is raised."""
        if not self.pauses.over(endpoint.url):
            return Sent("failed", "The endpoint has just failed; it is asked again in a moment.")
        content = gzip.compress(body, 6, mtime=0)
        headers = {"Content-Type": MESSAGE, "Content-Encoding": "gzip"} | dict(endpoint.headers)
        try:
            headers |= self._signature(endpoint, headers, content)
            answer = await fetch(
                http, "POST", endpoint.url, headers=headers, content=content, seconds=SECONDS
            )
        except (RequestFailed, AddressNotAllowed) as error:
            self.pauses.begin(endpoint.url)
            return Sent("failed", error.message)
        return self._meaning(endpoint, answer)

    def _meaning(self, endpoint: Endpoint, answer: Fetched) -> Sent:
        if 200 <= answer.status < 300:
            return Sent("taken", rejection(answer.body))  # by the protocol, nothing of it is sent again
        reason = f"The endpoint answered {answer.status}: {answer.body[:300].decode(errors='replace')!r}"
        if answer.status in TOO_MUCH:
            return Sent("refused", reason)
        # Of 401 and 404 too: somebody will mend a key or an address.
        self.pauses.begin(endpoint.url, answer.headers.get("Retry-After"))
        return Sent("failed", reason)

    def _signature(self, endpoint: Endpoint, headers: dict[str, str], content: bytes) -> dict[str, str]:
        if not endpoint.signing_region:
            return {}
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials = self._credentials()
        if credentials is None:
            raise RequestFailed("There are no AWS credentials to sign with.")
        request = AWSRequest("POST", endpoint.url, headers=headers, data=content)
        SigV4Auth(credentials, "xray", endpoint.signing_region).add_auth(request)
        return dict(request.headers)


def client() -> httpx.AsyncClient:
    """A client for endpoints, which operators name: unlike those that users name they may be anywhere."""
    return httpx.AsyncClient(verify=_authorities(), timeout=SECONDS, follow_redirects=False, trust_env=False)


@cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
