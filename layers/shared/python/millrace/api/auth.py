"""Authentication: bearer tokens of any OIDC issuer (RS256 or ES256, verified with the issuer's published
keys), and API keys of servers."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any, Protocol, cast

import jwt
from starlette.requests import Request

from millrace.api.claims import ClaimReader
from millrace.api.operation import Operation
from millrace.api.verified_tokens import VerifiedToken, VerifiedTokens
from millrace.domain.access import Principal
from millrace.domain.api_keys import PREFIX
from millrace.errors import Unauthenticated, Unavailable
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.telemetry import logs

# No HMAC: anyone who knows the issuer's public key could sign with it as the secret.
ALGORITHMS = ["RS256", "ES256"]
KEYS_SECONDS = 3600.0
# Tokens with made-up key ids must not cause a request to the issuer each time.
UNKNOWN_KEY_SECONDS = 10.0
# An issuer that is down must not delay every request.
FAILED_KEYS_SECONDS = 300.0
# The clocks of the issuer and of the function may differ by this much.
LEEWAY_SECONDS = 30


class Auth(Protocol):
    """Identifies the caller: an `Authenticator` by token, `tickets.Callers` by token or ticket."""

    async def __call__(self, request: Request) -> Principal:
        """Return the caller. Raises `Unauthenticated`."""
        ...


class Authenticator:
    """Checks a request's token or API key. The issuer's keys are fetched when first needed, cached for an
    hour, and fetched again (at most every ten seconds) when a token names an unknown one, as issuers rotate
    their keys."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self.stores = stores
        self._claims = ClaimReader(settings)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._good_for = KEYS_SECONDS
        self._lock = asyncio.Lock()
        self._known = VerifiedTokens(LEEWAY_SECONDS)

    async def __call__(self, request: Request) -> Principal:
        """Return the caller. Raises `Unauthenticated`."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            raise Unauthenticated("Send a bearer token in the Authorization header.", code="token_missing")
        if token.startswith(PREFIX):
            holder = await self.stores.api_keys.holder(token)
            request.state.key_holder, caller = holder, holder.caller
        else:
            caller = self._claims.principal(await self._verified(token))
        identify(request, caller, self.stores)
        operation: Operation | None = getattr(request.state, "operation", None)
        if not (operation and operation.checks_caller):
            await self.stores.limits.check_caller(caller)
        return caller

    async def _verified(self, token: str) -> Mapping[str, Any]:
        known = self._known.get(token)
        # Keys are replaced when they are fetched again; the token is then verified again.
        if known and await self._key(known.key_id) is known.key:
            return known.claims
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
            key = await self._key(key_id)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._settings.oidc_issuer,
                leeway=LEEWAY_SECONDS,
                # PyJWT compares only `aud`, which not all issuers set: see `_check_audience`.
                options={"require": ["exp", "iss", "sub"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired; sign in again.", code="token_expired") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            # Others than PyJWT's own: times such as 1e999, and headers nested a thousand levels deep.
            raise Unauthenticated("The token is invalid.", code="token_invalid") from error
        self._check_audience(claims)
        self._known.add(token, VerifiedToken(claims, key_id, key))
        return claims

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        # Cognito's access tokens name their client in client_id and have no aud.
        named = claims.get("aud") or claims.get("client_id")
        audiences = named if isinstance(named, list) else [named]
        ours = self._settings.oidc_audience
        if not ours or ours not in audiences:
            raise Unauthenticated("The token is for another audience.", code="token_invalid")

    async def _key(self, kid: str) -> jwt.PyJWK:
        # One request asks the issuer; those that arrive meanwhile find its keys.
        async with self._lock:
            age = time.monotonic() - self._fetched
            if age > self._good_for or (kid not in self._keys and age > UNKNOWN_KEY_SECONDS):
                await self._refresh()
        if kid not in self._keys:
            raise Unauthenticated("The token is signed by an unknown key.", code="token_invalid")
        return self._keys[kid]

    async def _refresh(self) -> None:
        self._fetched = time.monotonic()
        try:
            self._keys = await asyncio.to_thread(self._fetch)
        except Unavailable:
            if not self._keys:
                self._fetched = float("-inf")
                raise  # with cached keys, an issuer that is down stops nobody
            # Ask again soon, since a key that the issuer has withdrawn must not stay valid for another hour.
            self._good_for = FAILED_KEYS_SECONDS
        else:
            self._good_for = KEYS_SECONDS

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        try:
            url = self._settings.oidc_jwks_url or self._discover()
            published = jwt.PyJWKSet.from_dict(_get_json(url)).keys
        except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
            raise Unavailable("The issuer's keys cannot be read now.", retry_after=2) from error
        return {key.key_id: key for key in published if key.key_id and key.algorithm_name in ALGORITHMS}

    def _discover(self) -> str:
        issuer = self._settings.oidc_issuer.rstrip("/")
        return str(_get_json(f"{issuer}/.well-known/openid-configuration")["jwks_uri"])


def or_nobody(auth: Auth) -> Auth:
    """Return an `Auth` that allows requests without any credential, for operations that need none."""

    async def caller(request: Request) -> Principal:
        operation: Operation = request.state.operation
        if operation.credential == "none" and "authorization" not in request.headers:
            return Principal("", "")
        return await auth(request)

    return caller


def identify(request: Request, caller: Principal, stores: Stores) -> None:
    """Store the caller in the request's state, with the audit log and, for tokens, the limits that have the
    revocations. Add the organization, and the ids in the path, to the log lines."""
    request.state.caller, request.state.audit = caller, stores.audit
    if caller.issued_ms is not None:
        request.state.limits = stores.limits
    ids = {name: str(value) for name, value in request.path_params.items() if name.endswith("_id")}
    logs.bind(organization=caller.organization, **ids)


def _get_json(url: str) -> dict[str, Any]:
    # `urlopen` reads `file:` and `ftp:` addresses as well.
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"not an address of keys: {url!r}")
    with urllib.request.urlopen(url, timeout=5) as answer:
        return cast(dict[str, Any], json.load(answer))
