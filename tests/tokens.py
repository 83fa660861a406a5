"""An OIDC issuer for tests, which signs tokens and publishes its keys."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ISSUER = "https://issuer.test"
AUDIENCE = "millrace-tests"
CLAIM = "custom:organization"
ROLES = "cognito:groups"


class Issuer:
    """An issuer. `app` serves `/keys`, and `fetched` counts the requests for it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = "key-1"
        self.fetched = 0
        self.app = Starlette(routes=[Route("/keys", self._keys)])

    def _keys(self, request: Request) -> Response:
        self.fetched += 1
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return JSONResponse({"keys": [public | {"kid": self.key_id, "alg": "RS256", "use": "sig"}]})

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = "key-2"

    def token(self, organization: str | None = "org", **claims: Any) -> str:
        """Return an admin's token for an hour. Each claim can be replaced, or removed with None."""
        body: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "user-1",
            "exp": int(time.time()) + 3600,
            CLAIM: organization,
            ROLES: ["admin"],
        } | claims
        return jwt.encode(
            {name: value for name, value in body.items() if value is not None},
            self.key,
            algorithm="RS256",
            headers={"kid": self.key_id},
        )

    def user(self, organization: str, user: str, *roles: str, **claims: Any) -> dict[str, str]:
        """Return the Authorization header of a user with these roles."""
        return self.headers(organization, **{"sub": user, ROLES: list(roles)} | claims)

    def headers(self, organization: str = "org", **claims: Any) -> dict[str, str]:
        """Return the Authorization header of a caller."""
        return {"authorization": f"Bearer {self.token(organization, **claims)}"}
