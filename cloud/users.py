"""Users of a stack's user pool."""

import secrets
import string
from dataclasses import dataclass
from typing import Any

ROLES = ("customer", "member", "operator", "admin")
NEW_PASSWORD = "NEW_PASSWORD_REQUIRED"
ALPHABET = string.ascii_letters + string.digits


class UserExists(RuntimeError):
    """The pool already has a user with this name."""


class SignInRefused(RuntimeError):
    """The pool issued no token; the message says what it requires."""


@dataclass(frozen=True)
class UserPool:
    """A pool and the client id of the page. `cognito` is a boto3 client for cognito-idp."""

    cognito: Any
    pool: str
    client_id: str

    def create(self, email: str, organization: str, role: str, password: str) -> None:
        """Create a user who can sign in immediately, without an invitation. Raises `UserExists`."""
        attributes = {"email": email, "email_verified": "true", "custom:organization": organization}
        try:
            self.cognito.admin_create_user(
                UserPoolId=self.pool,
                Username=email,
                UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
                MessageAction="SUPPRESS",
            )
        except self.cognito.exceptions.UsernameExistsException as error:
            raise UserExists(f"The user {email} already exists.") from error
        self.set_password(email, password)
        self.cognito.admin_add_user_to_group(UserPoolId=self.pool, Username=email, GroupName=role)

    def set_password(self, email: str, password: str) -> None:
        """Set the user's password, which is valid immediately."""
        self.cognito.admin_set_user_password(
            UserPoolId=self.pool, Username=email, Password=password, Permanent=True
        )

    def id_token(self, email: str, password: str, new_password: str = "") -> str:
        """Sign in and return the ID token, which names the organization and the roles.

        An access token does not name the organization. `new_password` replaces a temporary password.
        Raises `SignInRefused`."""
        refusals = self.cognito.exceptions
        try:
            answer = self._initiate(email, password)
            if answer.get("ChallengeName") == NEW_PASSWORD and new_password:
                answer = self._answer(answer, new_password)
        except (refusals.NotAuthorizedException, refusals.UserNotFoundException) as error:
            raise SignInRefused("The address or the password is wrong.") from error
        except refusals.PasswordResetRequiredException as error:
            raise SignInRefused("The password was reset: run this without --token to set one.") from error
        except refusals.InvalidPasswordException as error:
            raise SignInRefused(f"The user pool refused the new password: {error}") from error
        return _token_of(answer)

    def _initiate(self, email: str, password: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.cognito.admin_initiate_auth(
            UserPoolId=self.pool,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        return answer

    def _answer(self, challenge: dict[str, Any], new_password: str) -> dict[str, Any]:
        username = challenge["ChallengeParameters"]["USER_ID_FOR_SRP"]
        answer: dict[str, Any] = self.cognito.admin_respond_to_auth_challenge(
            UserPoolId=self.pool,
            ClientId=self.client_id,
            ChallengeName=NEW_PASSWORD,
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": username, "NEW_PASSWORD": new_password},
        )
        return answer


def _token_of(answer: dict[str, Any]) -> str:
    challenge = answer.get("ChallengeName")
    if challenge == NEW_PASSWORD:
        raise SignInRefused("The user has to choose a password: add --new-password.")
    if challenge:
        raise SignInRefused(f"The user signs in with {challenge}, which only the sign-in page can ask for.")
    return str(answer["AuthenticationResult"]["IdToken"])


def new_password() -> str:
    """Return a password of 24 characters that satisfies every Cognito policy."""
    return "".join(secrets.choice(ALPHABET) for _ in range(20)) + "aA1-"
