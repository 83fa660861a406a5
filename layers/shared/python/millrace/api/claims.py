"""Turns the claims of a verified token into a caller. The signature has been checked, but an issuer may put
anything into a claim: values that cannot be read are refused, and nothing is guessed."""

import math
from collections.abc import Mapping
from typing import Any

from millrace.domain.access import NO_ROLE, Principal, grant, role_table
from millrace.domain.api_keys import OWNER_PREFIX
from millrace.domain.ids import valid_organization, valid_user
from millrace.errors import Unauthenticated
from millrace.settings import Settings

MAX_NAMES = 200
MAX_CLAIMS, CLAIM_CHARACTERS = 50, 1024
_PROTOCOL = frozenset(
    "iss sub aud exp nbf iat jti azp nonce at_hash c_hash s_hash auth_time acr amr sid scope scp client_id "
    "token_use event_id origin_jti typ ver".split()
)
"""Claims about the token rather than its user."""


class ClaimReader:
    """Reads callers from claims according to the deployment's settings. Raises `ValueError` if the settings
    name a role that does not exist."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._table = role_table(settings.role_scopes)
        if settings.default_role not in (NO_ROLE, *self._table):
            raise ValueError(f"DEFAULT_ROLE must be {NO_ROLE} or one of {', '.join(self._table)}.")

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Return the caller that a token names. Raises `Unauthenticated`."""
        name = self._settings.roles_claim
        named = frozenset(_names(find_claim(claims, name), name))
        roles, scopes = grant(self._table, named, _scopes(claims), self._settings.default_role)
        return Principal(
            self._organization(claims),
            _subject(claims),
            scopes,
            roles,
            user_claims(claims),
            _issued_ms(claims),
        )

    def _organization(self, claims: Mapping[str, Any]) -> str:
        name = self._settings.organization_claim
        organization = find_claim(claims, name)
        if not isinstance(organization, str) or not valid_organization(organization):
            raise Unauthenticated(
                f"The token has no organization in its claim {name!r}. Cognito's access tokens do not "
                "contain custom attributes: send the ID token.",
                code="organization_missing",
            )
        return organization


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name or, if there is none, by a path of names (`realm_access.roles`)."""
    if name in claims or "." not in name:
        return claims.get(name)
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def user_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims about the user: short texts, numbers, booleans and lists of short texts."""
    about = {name: value for name, value in claims.items() if name not in _PROTOCOL and _plain(value)}
    return dict(list(about.items())[:MAX_CLAIMS])


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= MAX_CLAIMS and all(isinstance(one, str) and _short(one) for one in value)
    if isinstance(value, str):
        return _short(value)
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def _short(text: str) -> bool:
    return len(text) <= CLAIM_CHARACTERS and text.isprintable()


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not valid_user(subject):
        raise _invalid("The token's claim 'sub' must be a string of 1 to 255 characters.")
    if subject.startswith(OWNER_PREFIX):
        raise _invalid(
            f"The token's claim 'sub' must not begin with {OWNER_PREFIX!r}: API keys have such ids."
        )
    return subject


def _issued_ms(claims: Mapping[str, Any]) -> int:
    """Return the time at which the token was issued; 0 if it does not say, so that every revocation
    applies."""
    issued = claims.get("iat")
    return int(issued * 1000) if isinstance(issued, int | float) and math.isfinite(issued) else 0


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the token's scopes without the prefix of a resource server (`https://api/chat`)."""
    claim = "scope" if claims.get("scope") is not None else "scp"
    return frozenset(name.rsplit("/", 1)[-1] for name in _names(claims.get(claim), claim))


def _names(value: Any, claim: str) -> list[str]:
    """Return the names in a claim: a text with spaces between them, a list of texts, or nothing."""
    if value is None:
        return []
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) > MAX_NAMES or not all(isinstance(n, str) for n in names):
        raise _invalid(
            f"The token's claim {claim!r} must be a string or a list of at most {MAX_NAMES} strings."
        )
    return [name for name in names if name.isprintable()]


def _invalid(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="token_invalid")
