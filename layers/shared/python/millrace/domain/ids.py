"""Identifiers: which texts are valid, and how new ones are generated."""

import os
import re
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:~-]{0,127}")
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@~|-]{0,127}")
_lock = threading.Lock()
_last = 0


def valid_id(text: str) -> bool:
    """Return whether a text is a valid id from a client (conversation, thread, agent): up to 128 of `A-Z a-z
    0-9 _ . : ~ -`. It can never contain the separator of a table's key (`#`)."""
    return _ID.fullmatch(text) is not None


def valid_organization(text: str) -> bool:
    """Return whether a text is a valid organization, which comes from a token's claim: as an id, but `@` and
    `|` are allowed."""
    return _ORGANIZATION.fullmatch(text) is not None


def valid_user(text: str) -> bool:
    """Return whether a text can be a user's id, which is whatever an issuer puts into `sub`: OpenID Connect
    allows 255 characters. Unprintable ones, including halves of surrogate pairs, cannot be stored."""
    return 0 < len(text) <= 255 and text.isprintable() and not text.isspace()


def new_ulid() -> str:
    """Return a ULID (26 characters of Crockford's base 32: 48 bits of milliseconds, 80 random bits). ULIDs
    increase strictly within a process, so that ids of the same millisecond sort in the order in which they
    were generated."""
    global _last
    fresh = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
    with _lock:
        _last = fresh if fresh > _last else _last + 1
        value = _last
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def new_id(prefix: str) -> str:
    """Return `<prefix>_<ulid>`: `run_01J...`, `msg_01J...`."""
    return f"{prefix}_{new_ulid()}"
