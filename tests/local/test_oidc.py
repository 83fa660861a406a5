"""The local OpenID Connect provider: the code flow with PKCE over the stack's user pool."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from tests.stack import RunningStack

pytestmark = pytest.mark.stack

VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def visitor(small_stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=small_stack.url, timeout=30) as client:
        yield client


def metadata(visitor: httpx.Client) -> dict[str, Any]:
    config = visitor.get("/config.json").json()
    found: dict[str, Any] = visitor.get(config["auth"]["metadataUrl"]).json()
    return found


def query(visitor: httpx.Client, **changes: str) -> dict[str, str]:
    return {
        "client_id": "page",
        "response_type": "code",
        "redirect_uri": f"{str(visitor.base_url).rstrip('/')}/auth/callback",
        "state": "s 1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes


def code_of(visitor: httpx.Client, small_stack: RunningStack) -> str:
    """Sign in by the form; the code that the browser is sent back with."""
    user = small_stack.deployment["dev_user"]
    answer = visitor.post(
        metadata(visitor)["authorization_endpoint"],
        params=query(visitor),
        data={"username": user["username"], "password": user["password"]},
    )
    assert answer.status_code == 303, answer.text
    back = urlsplit(answer.headers["location"])
    found = parse_qs(back.query)
    assert (back.path, found["state"]) == ("/auth/callback", ["s 1"])
    return found["code"][0]


def redeem(visitor: httpx.Client, code: str, /, **changes: str) -> httpx.Response:
    given = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    redirect = query(visitor)["redirect_uri"]
    return visitor.post(
        metadata(visitor)["token_endpoint"], data=given | {"redirect_uri": redirect} | changes
    )


def test_code_brings_the_pools_own_tokens_once(visitor: httpx.Client, small_stack: RunningStack) -> None:
    code = code_of(visitor, small_stack)
    tokens = redeem(visitor, code).json()
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert (
        claims["iss"] == metadata(visitor)["issuer"] == visitor.get("/config.json").json()["auth"]["issuer"]
    )
    assert claims["custom:organization"] == "dev"
    again = redeem(visitor, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    grant = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = visitor.post(metadata(visitor)["token_endpoint"], data=grant)
    assert renewed.json()["id_token"]


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "x" * 50}, {"redirect_uri": "http://localhost/elsewhere"}, {"code": "made-up"}],
)
def test_code_is_worth_nothing_to_others(
    visitor: httpx.Client, small_stack: RunningStack, changes: dict[str, str]
) -> None:
    code = code_of(visitor, small_stack)
    assert redeem(visitor, code, **changes).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "grant",
    [
        {"grant_type": "password", "username": "dev@example.com", "password": "wrong"},
        {"grant_type": "refresh_token", "refresh_token": "made-up"},
        {"grant_type": "client_credentials"},
        {},
    ],
)
def test_wrong_grants_are_refused(visitor: httpx.Client, grant: dict[str, str]) -> None:
    answer = visitor.post(metadata(visitor)["token_endpoint"], data=grant)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/"},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
        {"code_challenge": ""},
    ],
)
def test_wrong_requests_lead_nowhere(visitor: httpx.Client, changes: dict[str, str]) -> None:
    answer = visitor.get(metadata(visitor)["authorization_endpoint"], params=query(visitor, **changes))
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_wrong_password_shows_the_form_again(visitor: httpx.Client) -> None:
    data = {"username": "<b>", "password": "wrong"}
    url = metadata(visitor)["authorization_endpoint"]
    answer = visitor.post(url, params=query(visitor), data=data)
    assert answer.status_code == 401
    assert "The user name or the password is wrong." in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
