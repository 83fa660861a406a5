"""Tokens that have been verified before.

A client sends the same token with every request until it expires, and verifying its signature takes several
times as much CPU as everything else that happens to a request before its handler runs.
"""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import jwt
from msgspec import Struct, field

MOST = 500
"""Tokens to remember. The one that was added first makes room for a new one."""


class VerifiedToken(Struct, frozen=True):
    """The claims of a token, which are good as long as `key` is the issuer's key of the name `key_id`."""

    claims: Mapping[str, Any]
    key_id: str
    key: jwt.PyJWK


class VerifiedTokens(Struct):
    """Tokens by their digest, so that they hold no credentials, until they expire. `leeway` is in seconds,
    as PyJWT takes it."""

    leeway: float
    _known: dict[bytes, VerifiedToken] = field(default_factory=dict)

    def get(self, token: str) -> VerifiedToken | None:
        """Return a token that was added and has not expired."""
        found = self._known.get(_digest(token))
        is_good = found is not None and int(found.claims["exp"]) > time.time() - self.leeway
        return found if is_good else None

    def add(self, token: str, verified: VerifiedToken) -> None:
        """Remember a token whose signature, issuer, audience and times were checked."""
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[_digest(token)] = verified


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
