"""`python -m local.token`: a bearer token for the running stack on stdout, and nothing else.

curl -H "authorization: Bearer $(make -s token)" http://localhost:8080/api/health
python -m local.token --user me@example.com --organization other --role customer
python -m local.token --user me@example.com --role customer --password   # for a sign-in form, in its place
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from local.sign_in import DEV_ORGANIZATION, DEV_USER

DEFAULT_PORT = 8080
_SECONDS = 10.0


def port(text: str) -> int:
    """Return the port in an argument. Raises `argparse.ArgumentTypeError`."""
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: set --port or MILLRACE_PORT to a number from 0 to 65535."
        )
    return int(text)


class TokenError(RuntimeError):
    """There is no token. The message says why and what to do."""


def fetch_token(
    url: str, username: str = DEV_USER, organization: str = DEV_ORGANIZATION, role: str | None = None
) -> str:
    """Create a user at the stack on `url`, and sign in. Raises `TokenError`."""
    with _stack_at(url) as client:
        return _sign_in(client, username, organization, role)


def fetch_password(url: str, username: str, organization: str, role: str | None) -> str:
    """Create a user at the stack on `url`, and return their password. Raises `TokenError`."""
    with _stack_at(url) as client:
        return str(_user(client, username, organization, role)["password"])


@contextmanager
def _stack_at(url: str) -> Iterator[httpx.Client]:
    try:
        with httpx.Client(base_url=url, timeout=_SECONDS) as client:
            yield client
    except httpx.ConnectError as error:
        raise TokenError(
            f"Nothing runs on {url}: start it with `make run`, "
            "or name the port of the stack that runs: make token MILLRACE_PORT=8090."
        ) from error
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise TokenError(f"{url} does not sign in: {error}") from error


def _sign_in(client: httpx.Client, username: str, organization: str, role: str | None) -> str:
    auth = _json(client.get("/config.json"))["auth"]
    user = _user(client, username, organization, role)
    parameters = {"USERNAME": user["username"], "PASSWORD": user["password"]}
    request = {
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": auth["clientId"],
        "AuthParameters": parameters,
    }
    headers = {"x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth"}
    answer = _json(client.post(auth["userPoolEndpoint"], json=request, headers=headers))
    return str(answer["AuthenticationResult"]["IdToken"])


def _user(client: httpx.Client, username: str, organization: str, role: str | None) -> Any:
    wanted = {"username": username, "organization": organization, "role": role}
    return _json(client.post("/_local/users", json=wanted))


def _json(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise TokenError(f"{answer.request.url} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.token", description=__doc__)
    parser.add_argument("--user", default=DEV_USER)
    parser.add_argument("--organization", default=DEV_ORGANIZATION)
    named = os.environ.get("MILLRACE_PORT") or str(DEFAULT_PORT)
    parser.add_argument("--port", type=port, default=named, help="of the stack, also MILLRACE_PORT (8080)")
    parser.add_argument("--role", help="customer, member, operator or admin (the default); '' for none")
    parser.add_argument("--password", action="store_true", help="print the user's password instead")
    chosen = parser.parse_args(arguments)
    url = f"http://localhost:{chosen.port}"
    try:
        fetch = fetch_password if chosen.password else fetch_token
        print(fetch(url, chosen.user, chosen.organization, chosen.role))
    except TokenError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
