"""API keys of servers: what a secret looks like, and what a key is.

A secret is `mk_`, 43 characters of chance (256 bits), and 6 of a checksum over them, so that scanners of
repositories can tell one from other text, and made-up ones are refused without a look into the table.
"""

import hashlib
import secrets
import zlib

from msgspec import Struct

from millrace.domain.access import Principal

PREFIX = "mk_"
OWNER_PREFIX = "key:"
"""Begins the user id of a key. No issuer's user has such an id."""
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHANCE, _CHECKSUM = 43, 6


class ApiKey(Struct, frozen=True):
    """A key as admins see it. Times are epoch milliseconds; `days` is its lifetime from one rotation to the
    next. `start` is the beginning of its secret, by which people recognize it; while a rotation lasts, the
    secret before it has `previous_start` and is valid until `previous_expires_ms`."""

    id: str
    name: str
    scopes: frozenset[str]
    created_by: str
    created_ms: int
    days: int
    expires_ms: int
    start: str
    rotated_ms: int | None = None
    previous_start: str | None = None
    previous_expires_ms: int | None = None
    last_used_ms: int | None = None

    def previous_valid(self, now: int) -> bool:
        """Return whether the secret before the last rotation is still valid."""
        return self.previous_expires_ms is not None and self.previous_expires_ms > now


class KeyHolder(Struct, frozen=True):
    """The caller that a secret stands for, until `expires_ms`."""

    organization: str
    key_id: str
    scopes: frozenset[str]
    expires_ms: int

    @property
    def caller(self) -> Principal:
        """The caller: a key owns what it makes, across its rotations."""
        return Principal(self.organization, OWNER_PREFIX + self.key_id, self.scopes)


def new_secret() -> str:
    """Return a secret that nobody has."""
    chance = "".join(secrets.choice(_ALPHABET) for _ in range(_CHANCE))
    return PREFIX + chance + _checksum(chance)


def well_formed(secret: str) -> bool:
    """Return whether a text can be a secret at all."""
    chance, checksum = secret[len(PREFIX) : -_CHECKSUM], secret[-_CHECKSUM:]
    right = secret.startswith(PREFIX) and len(chance) == _CHANCE and chance.isascii()
    return right and chance.isalnum() and checksum == _checksum(chance)


def start_of_secret(secret: str) -> str:
    """Return the part of a secret that may be shown: too little to guess the rest."""
    return secret[: len(PREFIX) + 5]


def hash_of(secret: str) -> str:
    """Return what the table has in place of a secret. A plain hash is enough for 256 bits of chance."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(chance: str) -> str:
    rest, digits = zlib.crc32(chance.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
