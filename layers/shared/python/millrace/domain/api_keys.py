"""API keys of servers: the form of a secret, and the record of a key.

A secret is `mk_`, 43 random characters (256 bits), and 6 of a checksum over them, so that secret scanners can
distinguish one from other text, and invalid ones are refused without reading the table.
"""

import hashlib
import secrets
import zlib

from msgspec import Struct

from millrace.domain.access import Principal

PREFIX = "mk_"
OWNER_PREFIX = "key:"
"""The prefix of a key's user id, which no issuer's user may have."""
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHANCE, _CHECKSUM = 43, 6


class ApiKey(Struct, frozen=True):
    """A key as admins see it.

    Times are epoch milliseconds. `days` is the lifetime from one rotation to the next. `start` is the
    beginning of the secret, by which people recognize it. During a rotation, the previous secret has
    `previous_start` and is valid until `previous_expires_ms`.
    """

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
    """The caller whom a secret identifies, until `expires_ms`."""

    organization: str
    key_id: str
    scopes: frozenset[str]
    expires_ms: int

    @property
    def caller(self) -> Principal:
        """The caller. A key owns what it creates, even after its rotation."""
        return Principal(self.organization, OWNER_PREFIX + self.key_id, self.scopes)


def new_secret() -> str:
    """Return a new random secret."""
    chance = "".join(secrets.choice(_ALPHABET) for _ in range(_CHANCE))
    return PREFIX + chance + _checksum(chance)


def well_formed(secret: str) -> bool:
    """Return whether a text has the form of a secret."""
    chance, checksum = secret[len(PREFIX) : -_CHECKSUM], secret[-_CHECKSUM:]
    right = secret.startswith(PREFIX) and len(chance) == _CHANCE and chance.isascii()
    return right and chance.isalnum() and checksum == _checksum(chance)


def start_of_secret(secret: str) -> str:
    """Return the part of a secret that may be shown, which is too short to guess the rest."""
    return secret[: len(PREFIX) + 5]


def hash_of(secret: str) -> str:
    """Return the hash that the table stores instead of a secret. A plain hash is enough for 256 random
    bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(chance: str) -> str:
    rest, digits = zlib.crc32(chance.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
