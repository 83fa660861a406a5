"""Authentication: only complete, unexpired tokens of the issuer, for this audience and with an organization,
are accepted."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from millrace.api.management_app import create_app
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from tests.api.talk import error_of
from tests.serving import served
from tests.tokens import AUDIENCE, CLAIM, ISSUER, Issuer

PATH = "/api/agents"


def unsigned(issuer: Issuer) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    body = jwt.decode(issuer.token(), options={"verify_signature": False})
    return f"{part({'alg': 'none', 'kid': issuer.key_id})}.{part(body)}."


def confused(issuer: Issuer) -> str:
    """HMAC with the public key as its secret: the classic key confusion."""
    public = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = jwt.decode(issuer.token(), options={"verify_signature": False})
    header = base64.urlsafe_b64encode(
        json.dumps({"alg": "HS256", "typ": "JWT", "kid": issuer.key_id}).encode()
    ).rstrip(b"=")
    payload = base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=")
    signature = hmac.new(public, header + b"." + payload, hashlib.sha256).digest()
    return b".".join((header, payload, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


def other_key(issuer: Issuer) -> str:
    stranger = Issuer()
    stranger.key_id = issuer.key_id
    return stranger.token()


def cut(issuer: Issuer) -> str:
    return issuer.token()[:-4] + "AAAA"


def _claim(value: Any) -> dict[str, Any]:
    return {CLAIM: value}


now = int(time.time())
REFUSED: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "unsigned": (unsigned, "token_invalid"),
    "HMAC with the public key": (confused, "token_invalid"),
    "another key of the same name": (other_key, "token_invalid"),
    "a changed signature": (cut, "token_invalid"),
    "rubbish": (lambda _: "rubbish", "token_invalid"),
    "three dots": (lambda _: "...", "token_invalid"),
    "expired": (lambda i: i.token(exp=now - 3600), "token_expired"),
    "not yet": (lambda i: i.token(nbf=now + 3600), "token_invalid"),
    "no expiry": (lambda i: i.token(exp=None), "token_invalid"),
    "no subject": (lambda i: i.token(sub=None), "token_invalid"),
    "another issuer": (lambda i: i.token(iss="https://evil.test"), "token_invalid"),
    "another audience": (lambda i: i.token(aud="somebody"), "token_invalid"),
    "no audience": (lambda i: i.token(aud=None), "token_invalid"),
    "no organization": (lambda i: i.token(None), "organization_missing"),
    "an organization that forges keys": (lambda i: i.token("a#b"), "organization_missing"),
    "an organization that is a list": (lambda i: i.token("org", **_claim(["a"])), "organization_missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_token_that_does_not_hold_is_refused(management: httpx.Client, issuer: Issuer, case: str) -> None:
    make, code = REFUSED[case]
    response = management.get(PATH, headers={"authorization": f"Bearer {make(issuer)}"})
    assert error_of(response) == (401, code)
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Token x"])
def test_request_without_a_bearer_token_is_refused(management: httpx.Client, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    management.headers.pop("authorization")
    assert error_of(management.get(PATH, headers=headers)) == (401, "token_missing")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": [AUDIENCE, "other"]},
        {"aud": None, "client_id": AUDIENCE},
        {"scope": "openid agents:write"},
    ],
)
def test_good_token_gets_in(management: httpx.Client, issuer: Issuer, claims: dict[str, Any]) -> None:
    assert management.get(PATH, headers=issuer.headers("org", **claims)).status_code == 200


def test_es256_is_as_good(aws_environment: Any, settings: Settings) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "exp": int(time.time()) + 600, CLAIM: "org"},
        key,
        algorithm="ES256",
        headers={"kid": "ec"},
    )
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    keys = {"keys": [public | {"kid": "ec", "alg": "ES256"}]}
    app = Starlette(routes=[Route("/keys", lambda _: JSONResponse(keys))])
    with served(app) as url:
        mine = replace(settings, oidc_jwks_url=f"{url}/keys")
        with served(create_app(mine, Platform.make(mine))) as api:
            answer = httpx.get(f"{api}{PATH}", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_scope_that_is_missing_is_named(management: httpx.Client, issuer: Issuer) -> None:
    only_chat = issuer.headers("org", scope="chat")
    response = management.post(PATH, json={"name": "x"}, headers=only_chat)
    assert error_of(response) == (403, "missing_scope")
    assert response.json()["error"]["scope"] == "agents:write"


def test_keys_are_fetched_once_and_again_when_the_issuer_rotates_them(settings: Settings) -> None:
    issuer = Issuer()
    with served(issuer.app) as url:
        mine = replace(settings, oidc_jwks_url=f"{url}/keys")
        with served(create_app(mine, Platform.make(mine))) as api:
            for _ in range(5):
                assert httpx.get(f"{api}{PATH}", headers=issuer.headers()).status_code == 200
            assert issuer.fetched == 1
            old = issuer.headers()
            issuer.rotate()
            # Within ten seconds of the last fetch an unknown key is refused rather than looked for.
            assert httpx.get(f"{api}{PATH}", headers=issuer.headers()).status_code == 401
            assert issuer.fetched == 1
            assert httpx.get(f"{api}{PATH}", headers=old).status_code == 200


def test_known_token_is_refused_once_its_key_is_taken_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.api.auth.KEYS_SECONDS", 0.0)  # fetched again for each request
    issuer = Issuer()
    with served(issuer.app) as url:
        mine = replace(settings, oidc_jwks_url=f"{url}/keys")
        with served(create_app(mine, Platform.make(mine))) as api:
            old = issuer.headers()
            for _ in range(2):
                assert httpx.get(f"{api}{PATH}", headers=old).status_code == 200
            issuer.rotate()
            assert error_of(httpx.get(f"{api}{PATH}", headers=old)) == (401, "token_invalid")


def test_token_like_a_known_one_with_another_signature_is_refused(
    management: httpx.Client, issuer: Issuer
) -> None:
    known = issuer.token()
    for token, status in ((known, 200), (known, 200), (known[:-4] + "AAAA", 401), (known, 200)):
        answer = management.get(PATH, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status


def test_signature_of_a_known_token_is_not_verified_again(
    management: httpx.Client, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = issuer.headers()
    assert management.get(PATH, headers=headers).status_code == 200
    monkeypatch.setattr(jwt, "decode", None)
    assert management.get(PATH, headers=headers).status_code == 200


def test_issuer_that_is_down_is_a_503_that_says_so(settings: Settings, issuer: Issuer) -> None:
    mine = replace(settings, oidc_jwks_url="http://127.0.0.1:9/keys")
    with served(create_app(mine, Platform.make(mine))) as api:
        response = httpx.get(f"{api}{PATH}", headers=issuer.headers())
    assert error_of(response) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0


def test_discovery_finds_the_keys(settings: Settings) -> None:
    issuer = Issuer()
    with served(issuer.app) as url:
        document = {"jwks_uri": f"{url}/keys"}
        issuer.app.router.routes.append(
            Route("/.well-known/openid-configuration", lambda _: JSONResponse(document))
        )
        mine = replace(settings, oidc_issuer=url, oidc_jwks_url="")
        with served(create_app(mine, Platform.make(mine))) as api:
            token = issuer.headers("org", iss=url)
            assert httpx.get(f"{api}{PATH}", headers=token).status_code == 200
