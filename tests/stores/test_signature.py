"""Our signatures equal those of botocore."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from millrace.stores.signature import Credentials, Signer

WORDS = st.text(st.sampled_from("abcXYZ019+/="), min_size=1, max_size=40)
MOMENTS = st.integers(946_684_800, 4_102_444_800)


def by_botocore(credentials: Credentials, service: str, headers: dict[str, str], body: bytes, at: int) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(at, UTC))
        signing = SigV4Auth(
            BotocoreCredentials(credentials.key_id, credentials.secret, credentials.token or None),
            service,
            "eu-west-1",
        )
        sent = {name: headers[name] for name in ("content-type", "x-amz-target")}
        request = AWSRequest("POST", f"https://{headers['host']}/", headers=sent, data=body)
        signing.add_auth(request)
    assert request.headers["X-Amz-Date"] == headers["x-amz-date"]
    return str(request.headers["Authorization"])


@given(
    key=WORDS,
    secret=WORDS,
    token=st.just("") | WORDS,
    service=st.sampled_from(["dynamodb", "events", "sqs"]),
    body=st.binary(max_size=200),
    moments=st.lists(MOMENTS, min_size=1, max_size=3),
    port=st.sampled_from(["", ":8080"]),
)
def test_signature_is_botocores(
    key: str, secret: str, token: str, service: str, body: bytes, moments: list[int], port: str
) -> None:
    """One signer, on any days: it keeps a day's key."""
    credentials = Credentials(key, secret, token)
    signer = Signer(credentials, "eu-west-1", service)
    host = f"{service}.eu-west-1.amazonaws.com{port}"
    for at in moments:
        headers = signer.headers(host, "Target_2012.GetItem", "application/x-amz-json-1.0", body, at)
        assert headers.get("x-amz-security-token", "") == token
        assert headers["authorization"] == by_botocore(credentials, service, headers, body, at)
