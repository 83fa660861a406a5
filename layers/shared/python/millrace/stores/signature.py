"""AWS Signature Version 4 for calls that `POST` JSON.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
`tests/stores/test_signature.py` compares the result with botocore's, byte by byte.
"""

import time
from collections.abc import Mapping
from hashlib import sha256
from hmac import digest

from msgspec import Struct


class Credentials(Struct, frozen=True):
    """An AWS access key. `token` is empty for a key that does not expire."""

    key_id: str
    secret: str
    token: str = ""


class Signer:
    """Signs requests to one service in one region."""

    def __init__(self, credentials: Credentials, region: str, service: str) -> None:
        """`service` is the service's signing name (`dynamodb`, `events`, `sqs`)."""
        self._credentials = credentials
        self._region, self._service = region, service
        self._day, self._key, self._scope = "", b"", ""

    def headers(self, host: str, operation: str, kind: str, body: bytes, now: float) -> dict[str, str]:
        """Return the headers of a call.

        `operation` is its `X-Amz-Target`, `kind` the body's media type, and `now` in seconds since the epoch.
        """
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {"content-type": kind, "host": host, "x-amz-date": moment}
        if self._credentials.token:
            signed["x-amz-security-token"] = self._credentials.token
        signed["x-amz-target"] = operation
        return signed | {"authorization": self._authorization(signed, body, moment)}

    def _authorization(self, signed: Mapping[str, str], body: bytes, moment: str) -> str:
        """Return the authorization header; `signed` has the headers in the order of their names."""
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
        """Return the signing key of a day. Deriving it takes four digests, so it is cached."""
        if day != self._day:
            key = f"AWS4{self._credentials.secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = digest(key, part.encode(), "sha256")
            self._scope = f"{day}/{self._region}/{self._service}/aws4_request"
            # Threads share a signer. The day is set last, and a concurrent thread derives the same key.
            self._key, self._day = key, day
            return key
        return self._key
