"""Cached tokens: valid until they expire or are evicted."""

import time

import jwt
import pytest

from millrace.api import verified_tokens
from millrace.api.verified_tokens import VerifiedToken, VerifiedTokens
from tests.tokens import Issuer

LEEWAY = 30


def verified(issuer: Issuer, expires: float) -> VerifiedToken:
    key = jwt.PyJWK.from_dict({"kty": "oct", "k": "AAAA", "alg": "HS256"})
    return VerifiedToken({"exp": expires}, issuer.key_id, key)


@pytest.mark.parametrize(("left", "is_known"), [(60, True), (-LEEWAY + 5, True), (-LEEWAY - 5, False)])
def test_token_is_known_until_it_expires(issuer: Issuer, left: float, is_known: bool) -> None:
    tokens, token = VerifiedTokens(LEEWAY), verified(issuer, time.time() + left)
    tokens.add("a.b.c", token)
    assert tokens.get("a.b.c") == (token if is_known else None)
    assert tokens.get("a.b.d") is None


def test_first_token_makes_room_for_a_new_one(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_tokens, "MOST", 3)
    tokens, token = VerifiedTokens(LEEWAY), verified(issuer, time.time() + 60)
    for name in "abcd":
        tokens.add(name, token)
    assert [name for name in "abcd" if tokens.get(name)] == ["b", "c", "d"]
