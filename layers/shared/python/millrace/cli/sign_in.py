"""Sign-in at a Cognito user pool, on AWS or of the local stack.

Source: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx

_SECONDS = 20.0


class SignInError(Exception):
    """The sign-in failed. The message has the reason."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A bearer token, and a refresh token if the pool returned one."""

    token: str
    refresh_token: str | None


@dataclass(frozen=True, slots=True)
class UserPool:
    """A pool's endpoint, and the client for users' sign-in."""

    endpoint: str
    client_id: str

    def sign_in(self, username: str, password: str) -> Tokens:
        """Sign a user in. Raises `SignInError`."""
        return self._initiate("USER_PASSWORD_AUTH", {"USERNAME": username, "PASSWORD": password})

    def renewed(self, refresh_token: str) -> str:
        """Return a new bearer token. Raises `SignInError`."""
        return self._initiate("REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": refresh_token}).token

    def _initiate(self, flow: str, parameters: dict[str, str]) -> Tokens:
        body = {"AuthFlow": flow, "ClientId": self.client_id, "AuthParameters": parameters}
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth",
        }
        answer = _request("POST", self.endpoint, json=body, headers=headers)
        result = answer.get("AuthenticationResult") or {}
        if "IdToken" not in result:
            challenge = answer.get("ChallengeName", "unknown")
            raise SignInError(f"Signing in needs a step that only the page can do: {challenge}.")
        return Tokens(str(result["IdToken"]), result.get("RefreshToken"))


def read_config(url: str) -> Mapping[str, Any]:
    """Return a deployment's `/config.json`, with whole addresses. Raises `SignInError`."""
    config = _request("GET", urljoin(url, "/config.json"))
    auth = config.get("auth")
    if not isinstance(auth, dict):
        raise SignInError(f"{url}/config.json does not say how to sign in.")
    endpoint = urljoin(url, str(auth.get("userPoolEndpoint") or ""))
    return {**config, "auth": {**auth, "userPoolEndpoint": endpoint}}


def pool_of(config: Mapping[str, Any]) -> UserPool:
    """Return the user pool of a deployment."""
    return UserPool(config["auth"]["userPoolEndpoint"], str(config["auth"].get("clientId", "")))


def local_user(config: Mapping[str, Any]) -> Callable[[], str] | None:
    """Return the sign-in of a local stack's own user, or None elsewhere."""
    user = config.get("devUser")
    if not isinstance(user, dict):
        return None
    return lambda: pool_of(config).sign_in(user["username"], user["password"]).token


def _request(method: str, url: str, **request: Any) -> dict[str, Any]:
    try:
        response = httpx.request(method, url, timeout=_SECONDS, **request)
        found = response.json()
    except httpx.HTTPError as error:
        raise SignInError(f"{url} cannot be reached: {error}.") from error
    except ValueError as error:
        raise SignInError(f"{url} does not answer with JSON.") from error
    if response.is_error or not isinstance(found, dict):
        message = found.get("message") if isinstance(found, dict) else None
        raise SignInError(
            f"{message or f'{url} answered with the status {response.status_code}'}.".replace("..", ".")
        )
    return found
