"""An OpenID Connect provider on one machine, for the page.

It is the code flow with PKCE over a user pool that only supports passwords. Its tokens are the pool's own, so
the functions see no difference.

  /_local/oidc/.well-known/openid-configuration   metadata for the page's OIDC client
  /_local/oidc/authorize                          the form, and the redirect with a code
  /_local/oidc/token                              tokens for a code, a refresh token, or the user's password
"""

import base64
import hashlib
import html
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

PATH = "/_local/oidc"
CODE_SECONDS = 60
MOST_CODES = 100
_BODY_LIMIT = 16 * 1024
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif }
body { display: grid; place-items: center; min-height: 90vh }
form { display: grid; gap: 1rem; width: min(20rem, 90vw) }
label { display: grid; gap: .25rem }
input, button { font: inherit; padding: .5rem .75rem; border-radius: 8px; border: 1px solid #8a9396 }
button { background: #0b6f6f; color: #fff; cursor: pointer }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"
_FORM = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title>
<meta name="viewport" content="width=device-width"><style>{style}</style>
<main><form method="post"><h1>Sign in</h1>{error}
<label>User name<input name="username" autocomplete="username" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button></form></main></html>"""

Tokens = Mapping[str, object]
"""The answer of a token endpoint."""


class Pool(Protocol):
    """Users with passwords."""

    async def by_password(self, username: str, password: str) -> Tokens | None:
        """Return tokens, or None for a wrong name or password."""
        ...

    async def by_refresh_token(self, token: str) -> Tokens | None:
        """Return new tokens, or None for an invalid one."""
        ...


@dataclass(frozen=True, slots=True)
class _Grant:
    tokens: Tokens
    challenge: str
    redirect_uri: str
    until: float


class LocalIssuer:
    """The provider. It redirects only to the origin that it is served from."""

    def __init__(self, pool: Pool, issuer: str) -> None:
        self._pool = pool
        self._issuer = issuer
        self._codes: dict[str, _Grant] = {}

    def routes(self) -> list[Route]:
        """Return the pages of the provider."""
        return [
            Route(f"{PATH}/.well-known/openid-configuration", self._metadata),
            Route(f"{PATH}/authorize", self._authorize, methods=["GET", "POST"]),
            Route(f"{PATH}/token", self._token, methods=["POST"]),
        ]

    async def _metadata(self, request: Request) -> Response:
        base = f"{_origin(request)}{PATH}"
        return JSONResponse(
            {
                "issuer": self._issuer,
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        problem = _problem(query, _origin(request))
        if problem:
            return _form(problem, 400)
        if request.method == "GET":
            return _form("")
        given = await _form_fields(request)
        tokens = await self._pool.by_password(given.get("username", ""), given.get("password", ""))
        if tokens is None:
            return _form("The user name or the password is wrong.", 401)
        code = self._keep(_Grant(tokens, query["code_challenge"], query["redirect_uri"], _in(CODE_SECONDS)))
        back = urlencode({"code": code, "state": query.get("state", "")})
        return RedirectResponse(f"{query['redirect_uri']}?{back}", 303)

    def _keep(self, grant: _Grant) -> str:
        while len(self._codes) >= MOST_CODES:
            self._codes.pop(next(iter(self._codes)))
        code = secrets.token_urlsafe(24)
        self._codes[code] = grant
        return code

    async def _token(self, request: Request) -> Response:
        given = await _form_fields(request)
        tokens = await self._granted(given)
        if tokens is None:
            refused = {"error": "invalid_grant", "error_description": "Sign in again."}
            return JSONResponse(refused, 400, headers={"cache-control": "no-store"})
        return JSONResponse(dict(tokens), headers={"cache-control": "no-store"})

    async def _granted(self, given: Mapping[str, str]) -> Tokens | None:
        match given.get("grant_type"):
            case "authorization_code":
                return self._redeemed(given)
            case "refresh_token":
                return await self._pool.by_refresh_token(given.get("refresh_token", ""))
            case "password":
                return await self._pool.by_password(given.get("username", ""), given.get("password", ""))
        return None

    def _redeemed(self, given: Mapping[str, str]) -> Tokens | None:
        """Return the tokens of a code, once."""
        grant = self._codes.pop(given.get("code", ""), None)
        if grant is None or grant.until < time.monotonic() or given.get("redirect_uri") != grant.redirect_uri:
            return None
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return grant.tokens if secrets.compare_digest(proven, grant.challenge) else None


def _problem(query: Mapping[str, str], origin: str) -> str:
    if not query.get("redirect_uri", "").startswith(f"{origin}/"):
        return "redirect_uri must be an address of this stack."
    if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
        return "Only the code flow with PKCE (S256) is supported."
    return "" if query.get("code_challenge") else "code_challenge is missing."


def _form(error: str, status: int = 200) -> Response:
    shown = f'<p role="alert">{html.escape(error)}</p>' if error else ""
    page = _FORM.format(style=_STYLE, error=shown)
    headers = {
        "content-security-policy": _POLICY,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
    }
    return HTMLResponse(page, status, headers)


async def _form_fields(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _origin(request: Request) -> str:
    return f"http://{request.headers.get('host', 'localhost')}"


def _in(seconds: float) -> float:
    return time.monotonic() + seconds
