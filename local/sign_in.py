"""Sign-in on one machine: the stack's own Cognito user pool, with a dev user.

    sign_in = SignIn(deployment, arguments)
    user = sign_in.ensure_user("dev@example.com", organization="dev")

Browsers speak Cognito's own protocol with `forward`; the functions fetch the keys from `jwks`.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import boto3
import httpx

from local.deploy import Deployment
from local.ministack import ClientArguments
from local.oidc import Tokens

DEV_USER = "dev@example.com"
DEV_ORGANIZATION = "dev"
DEV_ROLE = "admin"
# Actions that a sign-in page needs, none of which administers users.
ACTIONS = ("InitiateAuth", "RespondToAuthChallenge", "RevokeToken")
_TARGET = "AWSCognitoIdentityProviderService."
_FORWARD_SECONDS = 10.0


@dataclass(frozen=True)
class User:
    username: str
    password: str


class NoUserPool(RuntimeError):
    """The template was deployed with another issuer, so there are no local users."""


class UnknownRole(ValueError):
    """The user pool has no group of this name."""


class SignIn:
    """The user pool of one deployment."""

    def __init__(self, deployment: Deployment, arguments: ClientArguments) -> None:
        self.pool = deployment.outputs.get("UserPoolId", "")
        self.client_id = deployment.outputs.get("UserPoolClientId", "")
        self.issuer = deployment.outputs.get("Issuer", "")
        self._arguments = arguments
        self._cognito: Any = boto3.client("cognito-idp", **arguments)

    def ensure_user(self, username: str, organization: str, role: str | None = None) -> User:
        """Create the user, or update an existing one to this organization and role.

        The role is a group of the pool, empty for none, by default `DEV_ROLE` if the pool has it. Raises
        `NoUserPool` or `UnknownRole`.
        """
        if not self.pool:
            raise NoUserPool("The stack has no user pool: it was deployed with OidcIssuer.")
        user = User(username, _password(self.pool, username))
        attributes = [
            {"Name": "email", "Value": username},
            {"Name": "email_verified", "Value": "true"},
            {"Name": "name", "Value": username.partition("@")[0]},
            {"Name": "custom:organization", "Value": organization},
        ]
        self._create_or_update(username, attributes)
        self._cognito.admin_set_user_password(
            UserPoolId=self.pool, Username=username, Password=user.password, Permanent=True
        )
        self._set_role(username, role)
        return user

    async def forward(self, action: str, body: bytes) -> httpx.Response:
        """Pass one of `ACTIONS` in Cognito's JSON protocol to the emulator."""
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": _TARGET + action,
            "authorization": self._account_header(),
        }
        async with httpx.AsyncClient(timeout=_FORWARD_SECONDS) as client:
            return await client.post(self._arguments["endpoint_url"], content=body, headers=headers)

    async def by_password(self, username: str, password: str) -> Tokens | None:
        """See `oidc.Pool`."""
        return await self._initiate("USER_PASSWORD_AUTH", {"USERNAME": username, "PASSWORD": password})

    async def by_refresh_token(self, token: str) -> Tokens | None:
        """See `oidc.Pool`."""
        return await self._initiate("REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": token})

    async def _initiate(self, flow: str, parameters: dict[str, str]) -> Tokens | None:
        request = {"AuthFlow": flow, "ClientId": self.client_id, "AuthParameters": parameters}
        answer = await self.forward("InitiateAuth", json.dumps(request).encode())
        if answer.is_client_error:
            return None
        result = answer.raise_for_status().json()["AuthenticationResult"]
        names = {"id_token": "IdToken", "access_token": "AccessToken", "refresh_token": "RefreshToken"}
        tokens = {name: result[theirs] for name, theirs in names.items() if theirs in result}
        return {**tokens, "token_type": "Bearer", "expires_in": result.get("ExpiresIn", 3600)}

    async def jwks(self) -> bytes:
        """Return the pool's public keys as JSON."""
        url = f"{self._arguments['endpoint_url']}/{self.pool}/.well-known/jwks.json"
        async with httpx.AsyncClient(timeout=_FORWARD_SECONDS) as client:
            answer = await client.get(url, headers={"authorization": self._account_header()})
        return answer.raise_for_status().content

    def _create_or_update(self, username: str, attributes: list[dict[str, str]]) -> None:
        try:
            self._cognito.admin_create_user(
                UserPoolId=self.pool,
                Username=username,
                UserAttributes=attributes,
                MessageAction="SUPPRESS",
            )
        except self._cognito.exceptions.UsernameExistsException:
            self._cognito.admin_update_user_attributes(
                UserPoolId=self.pool, Username=username, UserAttributes=attributes
            )

    def _set_role(self, username: str, given: str | None) -> None:
        known = {one["GroupName"] for one in self._cognito.list_groups(UserPoolId=self.pool)["Groups"]}
        role = (DEV_ROLE if DEV_ROLE in known else "") if given is None else given
        if role and role not in known:
            raise UnknownRole(f"The user pool has no group {role!r}.")
        named: dict[str, Any] = {"UserPoolId": self.pool, "Username": username}
        groups = self._cognito.admin_list_groups_for_user(**named)["Groups"]
        for group in {one["GroupName"] for one in groups} - {role}:
            self._cognito.admin_remove_user_from_group(GroupName=group, **named)
        if role:
            self._cognito.admin_add_user_to_group(GroupName=role, **named)

    def _account_header(self) -> str:
        """Return a header that selects our account. Unsigned requests use the emulator's default account."""
        scope = f"{self._arguments['aws_access_key_id']}/20260101/{self._arguments['region_name']}"
        return (
            f"AWS4-HMAC-SHA256 Credential={scope}/cognito-idp/aws4_request, SignedHeaders=host, Signature=0"
        )


def action_of(target: str) -> str | None:
    """Return the action in an x-amz-target header, if it is one of `ACTIONS`."""
    action = target.removeprefix(_TARGET)
    return action if action in ACTIONS and target.startswith(_TARGET) else None


def _password(pool: str, username: str) -> str:
    """Return a password derived from pool and user, so that it survives kept state.

    It is printed, so it is not a secret.
    """
    return "Dev1-" + hashlib.sha256(f"{pool}/{username}".encode()).hexdigest()[:12]
