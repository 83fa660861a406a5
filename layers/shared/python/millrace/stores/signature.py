"""AWS's signature of a request, version 4, for calls that are a `POST` of JSON.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
`tests/stores/test_signature.py` compares it with botocore's, byte by byte.
"""

import time
from collections.abc import Mapping
from hashlib import sha256
from hmac import digest

from msgspec import Struct


class Credentials(Struct, frozen=True):
    """A key of AWS. `token` is empty for one that does not expire."""

    key_id: str
    secret: str
    token: str = ""


class Signer:
    """Signs the requests to one service of one region."""

    def __init__(self, credentials: Credentials, region: str, service: str) -> None:
        """`service` is the name that the service signs with (`dynamodb`, `events`, `sqs`)."""
        self._credentials = credentials
        self._region, self._service = region, service
        self._day, self._key, self._scope = "", b"", ""

    def headers(self, host: str, operation: str, kind: str, body: bytes, now: float) -> dict[str, str]:
        """The headers of a call: `operation` is its `X-Amz-Target`, `kind` the body's media type, and `now`
        in seconds since the epoch."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {"content-type": kind, "host": host, "x-amz-date": moment}
        if self._credentials.token:
            signed["x-amz-security-token"] = self._credentials.token
        signed["x-amz-target"] = operation
        return signed | {"authorization": self._authorization(signed, body, moment)}

    def _authorization(self, signed: Mapping[str, str], body: bytes, moment: str) -> str:
        """`signed` are the headers in the order of their names."""
        key = self._key_of(moment[:8])
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        names = ";".join(signed)
        request = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{self._scope}\n{sha256(request.encode()).hexdigest()}"
        return (
            f"AWS4-HMAC-SHA256 Credential={self._credentials.key_id}/{self._scope}, "
            f"SignedHeaders={names}, Signature={digest(key, text.encode(), 'sha256').hex()}"
        )

    def _key_of(self, day: str) -> bytes:
        """The key of a day, which four digests make: the same for all of its requests."""
        if day != self._day:
            key = f"AWS4{self._credentials.secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = digest(key, part.encode(), "sha256")
            self._scope = f"{day}/{self._region}/{self._service}/aws4_request"
            # Threads share a signer: the day is set last, and one that comes between makes the same key.
            self._key, self._day = key, day
            return key
        return self._key
