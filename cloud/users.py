"""Users of a stack's user pool."""

import secrets
import string
from dataclasses import dataclass
from typing import Any

ROLES = ("customer", "member", "operator", "admin")
ALPHABET = string.ascii_letters + string.digits


class UserExists(RuntimeError):
    """The pool has a user of this name."""


@dataclass(frozen=True)
class UserPool:
    """A pool and the client id of the page. `cognito` is a boto3 client of cognito-idp."""

    cognito: Any
    pool: str
    client_id: str

    def create(self, email: str, organization: str, role: str, password: str) -> None:
        """Create a user who may sign in at once; no invitation is sent. Raises `UserExists`."""
        attributes = {"email": email, "email_verified": "true", "custom:organization": organization}
        try:
            self.cognito.admin_create_user(
                UserPoolId=self.pool,
                Username=email,
                UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
                MessageAction="SUPPRESS",
            )
        except self.cognito.exceptions.UsernameExistsException as error:
            raise UserExists(f"{email} is a user already.") from error
        self.set_password(email, password)
        self.cognito.admin_add_user_to_group(UserPoolId=self.pool, Username=email, GroupName=role)

    def set_password(self, email: str, password: str) -> None:
        """Give the user another password, which is valid at once."""
        self.cognito.admin_set_user_password(
            UserPoolId=self.pool, Username=email, Password=password, Permanent=True
        )

    def id_token(self, email: str, password: str) -> str:
        """Sign in; return the ID token, which names the organization and the roles. An access token does
        not name the organization."""
        answer = self.cognito.admin_initiate_auth(
            UserPoolId=self.pool,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        return str(answer["AuthenticationResult"]["IdToken"])


def new_password() -> str:
    """A password of 24 characters that every policy of Cognito accepts."""
    return "".join(secrets.choice(ALPHABET) for _ in range(20)) + "aA1-"
