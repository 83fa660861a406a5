"""`make first-user ARGS="--email you@example.com"`: create an admin of an organization, and print a token.

It prints the password and a bearer token that is valid for an hour. The token is an ID token, because
Cognito's access tokens do not name the organization. `--token` signs in again with a password that you know.
"""

import re
import sys

import boto3

from cloud.stack import CloudError, chosen_name, parser_of, require_stack
from cloud.users import ROLES, SignInRefused, UserExists, UserPool, new_password

ORGANIZATION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def main(arguments: list[str]) -> int:
    parser = parser_of("first_user", __doc__)
    parser.add_argument("--email", required=True, help="the user's name and address")
    parser.add_argument("--organization", default="acme", help="the organization of the user (default: acme)")
    parser.add_argument("--role", default="admin", choices=ROLES)
    parser.add_argument("--password", default="", help="the password; by default a random one")
    parser.add_argument(
        "--new-password", default="", help="with --token, the new password of a user who has to choose one"
    )
    parser.add_argument("--token", action="store_true", help="only print a token; needs --password")
    chosen = parser.parse_args(arguments)
    try:
        _check(chosen.email, chosen.organization, chosen.token and not chosen.password)
        outputs = require_stack(chosen_name(chosen)).outputs
        pool = _pool(outputs)
        if chosen.token:
            print(pool.id_token(chosen.email, chosen.password, chosen.new_password))
            return 0
        password = chosen.password or new_password()
        pool.create(chosen.email, chosen.organization, chosen.role, password)
        print(
            _welcome(
                outputs, f"{chosen.role} of the organization {chosen.organization}", chosen.email, password
            )
        )
        print(pool.id_token(chosen.email, password))
    except UserExists as error:
        print(f"{error} Choose another address, or sign in with --token --password ...", file=sys.stderr)
        return 1
    except (CloudError, SignInRefused) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(email: str, organization: str, nothing_to_sign_in_with: bool) -> None:
    if not EMAIL.fullmatch(email):
        raise CloudError(f"--email {email!r} is not an e-mail address.")
    if not ORGANIZATION.fullmatch(organization):
        raise CloudError(
            "--organization must be 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit."
        )
    if nothing_to_sign_in_with:
        raise CloudError("--token requires --password.")


def _pool(outputs: dict[str, str]) -> UserPool:
    if "UserPoolId" not in outputs:
        raise CloudError(
            f"This stack accepts tokens of {outputs.get('Issuer', 'another issuer')}. Create users there, "
            "with a claim that names their organization."
        )
    return UserPool(boto3.client("cognito-idp"), outputs["UserPoolId"], outputs["UserPoolClientId"])


def _welcome(outputs: dict[str, str], role: str, email: str, password: str) -> str:
    url = outputs.get("SiteUrl") or outputs["ConversationUrl"].rstrip("/")
    return f"""Created {email}, {role}. The password is shown only now:
  {password}
Sign in at {outputs.get("SiteUrl", "the page")}, or try it from here with the token below (valid for an hour):
  curl -N {url}/api/conversations/first/messages -H "authorization: Bearer $TOKEN" \\
    -H "content-type: application/json" -H "accept: text/event-stream" \\
    -d '{{"agentId": "demo", "content": "Hello"}}'
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
