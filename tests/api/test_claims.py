"""Callers from claims: roles, scopes, the default role, and unusual claims of issuers."""

import itertools
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, example, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from starlette.requests import Request

from millrace.api.auth import Authenticator
from millrace.api.claims import ClaimReader, find_claim, user_claims
from millrace.domain.access import ROLES, SCOPES, Principal
from millrace.errors import Unauthenticated
from millrace.settings import Settings
from millrace.stores.connect import Stores

ADMIN, CUSTOMER = ROLES["admin"], ROLES["customer"]
KEY = ec.generate_private_key(ec.SECP256R1())


def settings(**given: Any) -> Settings:
    named = {"organization_claim": "org", "oidc_issuer": "https://issuer.test", "oidc_audience": "us"}
    return Settings(region="eu-central-1", **(named | given))


def caller(claims: dict[str, Any], **given: str) -> Principal:
    return ClaimReader(settings(**given)).principal({"org": "acme", "sub": "someone"} | claims)


@pytest.mark.parametrize("role", ROLES)
def test_role_grants_its_scopes(role: str) -> None:
    found = caller({"cognito:groups": [role]})
    assert (found.roles, found.scopes) == (frozenset({role}), ROLES[role])


def test_roles_ascend_from_customer_to_admin() -> None:
    ladder = list(ROLES.values())
    assert all(low < high for low, high in itertools.pairwise(ladder))
    assert ladder[0] == {"chat", "voice"}
    assert ladder[-1] == SCOPES


def test_roles_add_up() -> None:
    assert caller({"cognito:groups": "customer member unknown"}).scopes == ROLES["member"]


@pytest.mark.parametrize(
    ("claims", "default_role", "scopes"),
    [
        ({}, "none", set()),
        ({}, "customer", CUSTOMER),
        ({}, "admin", ADMIN),
        ({"scope": "openid email"}, "none", {"openid", "email"}),
        ({"scope": "openid email"}, "customer", CUSTOMER),
        ({"scope": "openid chat"}, "none", {"openid", "chat"}),
        ({"scope": "https://api.acme.com/chat"}, "admin", {"chat"}),
        ({"scp": ["chat", "observe"]}, "admin", {"chat", "observe"}),
        ({"scope": None, "scp": "observe"}, "none", {"observe"}),
        ({"scope": "chat", "cognito:groups": ["admin"]}, "none", {"chat"}),
        ({"scope": "chat agents:write", "cognito:groups": ["customer"]}, "admin", {"chat"}),
        ({"scope": "aws.cognito.signin.user.admin", "cognito:groups": ["member"]}, "none", ROLES["member"]),
        ({"scope": "refunds:approve", "cognito:groups": ["customer"]}, "none", CUSTOMER),
        ({"cognito:groups": ["guests"]}, "customer", CUSTOMER),
        ({"cognito:groups": []}, "none", set()),
    ],
)
def test_scopes_follow_from_roles_scopes_and_default(
    claims: dict[str, Any], default_role: str, scopes: set[str]
) -> None:
    assert caller(claims, default_role=default_role).scopes == scopes


def test_foreign_token_without_our_scopes_may_do_nothing_by_default() -> None:
    """It had every scope."""
    found = caller({"scope": "openid profile"})
    assert not found.scopes & SCOPES


def test_deployment_adds_scopes_and_roles() -> None:
    more = "operator=refunds:approve, support=chat observe"
    assert caller({"cognito:groups": "operator"}, role_scopes=more).may("refunds:approve")
    assert caller({"cognito:groups": "support"}, role_scopes=more).scopes == {"chat", "observe"}


def test_roles_claim_may_be_a_path() -> None:
    claims = {"realm_access": {"roles": ["member", "offline_access"]}}
    assert caller(claims, roles_claim="realm_access.roles").scopes == ROLES["member"]
    dotted = {"https://acme.com/roles": ["member"]}
    assert find_claim(dotted, "https://acme.com/roles") == ["member"]


@pytest.mark.parametrize("wrong", [{"default_role": "root"}, {"role_scopes": "admin"}, {"role_scopes": "a="}])
def test_settings_that_name_no_role_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ClaimReader(settings(**wrong))


def test_claims_of_a_user_are_the_plain_ones() -> None:
    given = {
        "iss": "x",
        "exp": 1,
        "scope": "chat",
        "email": "a@b.c",
        "email_verified": True,
        "custom:plan": "gold",
        "cognito:groups": ["member"],
        "address": {"street": "Elm"},
        "picture": "x" * 5000,
        "name": "half \ud800",
        "n": float("inf"),
    }
    assert user_claims(given) == {
        "email": "a@b.c",
        "email_verified": True,
        "custom:plan": "gold",
        "cognito:groups": ["member"],
    }


@pytest.mark.parametrize("sub", ["", " ", "x" * 256, "a\0b", "\ud800", 5, None, ["a"]])
def test_subject_that_cannot_own_anything_is_refused(sub: object) -> None:
    with pytest.raises(Unauthenticated):
        caller({"sub": sub})


@pytest.mark.parametrize("claim", ["scope", "scp", "cognito:groups"])
@pytest.mark.parametrize("value", [5, True, {"a": 1}, [["chat"]], ["chat", None], ["x"] * 201])
def test_names_that_cannot_be_read_are_refused(claim: str, value: object) -> None:
    with pytest.raises(Unauthenticated, match="must be a string or a list"):
        caller({claim: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = [
    "sub",
    "org",
    "scope",
    "scp",
    "cognito:groups",
    "aud",
    "client_id",
    "exp",
    "nbf",
    "iat",
    "iss",
    "email",
]


def request(token: str) -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return Request({"type": "http", "headers": headers, "state": {}})


class KnownKey(Authenticator):
    """Knows the one key of these tests, as if it had been fetched."""

    async def _key(self, kid: str) -> jwt.PyJWK:
        return jwt.PyJWK(
            {**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "alg": "ES256"}
        )


def signed(claims: dict[str, Any]) -> str:
    payload = json.dumps(claims).encode()
    return jwt.api_jws.encode(payload, KEY, algorithm="ES256", headers={"kid": "k"})


@limits(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5))
@example(changes={"scope": None})
@example(changes={"scope": 5})
@example(changes={"aud": 5})
@example(changes={"exp": float("inf")})
@example(changes={"exp": 10**400})
async def test_any_claims_give_a_caller_or_a_401(changes: dict[str, Any]) -> None:
    good = {
        "iss": "https://issuer.test",
        "aud": "us",
        "sub": "someone",
        "org": "acme",
        "exp": 4_000_000_000,
        "cognito:groups": ["customer"],
    }
    try:
        found = await KnownKey(settings(), Stores.connect(settings()))(request(signed(good | changes)))
    except Unauthenticated:
        pass  # anything else would be a 500
    else:
        assert found.id == (good | changes)["sub"]
        assert json.dumps(found.claims, allow_nan=False)


@pytest.mark.parametrize(
    "header", [b"[" * 100_000, b'{"a":' * 100_000, b"5", b"null", b'{"alg": 5}', b"\xff"]
)
async def test_any_header_of_a_token_is_a_401(header: bytes) -> None:
    encoded = jwt.utils.base64url_encode(header).decode()
    with pytest.raises(Unauthenticated):
        await KnownKey(settings(), Stores.connect(settings()))(request(f"{encoded}.e30.AAAA"))
