"""A server's check of Signature Version 4: botocore computes the signature that the request's headers must
have."""

import re
from typing import Protocol

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY = "AKIAFAKEFAKEFAKEFAKE"
SECRET_KEY = "fake-secret-for-the-fake-server"
REGION = "eu-central-1"
SERVICE = "bedrock"
API_KEY = "bedrock-api-key-of-the-fake-server"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)


class SignedRequest(Protocol):
    """A POST as received: the raw `path`, and header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


def signature_problem(request: SignedRequest) -> str:
    """Return the error in a request's signature, or an empty string if it is valid or an API key replaces
    it."""
    if request.headers.get("authorization") == f"Bearer {API_KEY}":
        return ""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if not found:
        return "Missing Authentication Token"
    key, _, region, service, signed, signature = found.groups()
    if (key, region, service) != (ACCESS_KEY, REGION, SERVICE):
        return "The security token included in the request is invalid."
    if signature != _expected(request, signed.split(";")):
        return "The request signature we calculated does not match the signature you provided."
    return ""


def _expected(request: SignedRequest, signed: list[str]) -> str:
    auth = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), SERVICE, REGION)
    url = f"http://{request.headers['host']}{request.path}"
    headers = {name: request.headers.get(name, "") for name in signed}
    claimed = AWSRequest(method="POST", url=url, data=request.body, headers=headers)
    claimed.context["timestamp"] = request.headers.get("x-amz-date", "")
    canonical = auth.canonical_request(claimed)
    return str(auth.signature(auth.string_to_sign(claimed, canonical), claimed))
