"""`millrace login` and `millrace logout`."""

import sys
from typing import Annotated

import typer

from millrace.cli.session import Profile, ProfileError, local_url, options_of, path, save
from millrace.cli.sign_in import SignInError, local_user, pool_of, read_config
from millrace.client import Client


def login(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Argument(help="The address of the deployment; the default is the local stack.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Sign in as this user.")] = None,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from stdin.")] = False,
) -> None:
    """Store an address and a login for later commands, in a file that only you can read."""
    options = options_of(context)
    address = (url or options.url or local_url()).rstrip("/")
    try:
        profile = _profile(address, options.token, user, password_stdin)
    except SignInError as error:
        raise ProfileError(
            f"{error} With a token from elsewhere: millrace --token - login {address}"
        ) from error
    with Client(profile.url, profile.token_source(), functions=profile.functions) as client:
        client.agents.list(limit=1).page()
    save(options.profile, profile)
    options.output.note(f"Signed in at {address}. The login is in {path()}.")


def logout(context: typer.Context) -> None:
    """Forget the login."""
    options = options_of(context)
    save(options.profile, None)
    options.output.note("Signed out.")


def _profile(url: str, token: str | None, user: str | None, password_stdin: bool) -> Profile:
    if token:
        token = sys.stdin.readline().strip() if token == "-" else token
        return Profile(url, token, functions=_functions(url))
    config = read_config(url)
    functions = dict(config.get("apiBase") or {})
    own = local_user(config)
    if own is not None and user is None:
        secrets = config["devUser"]
        user, password = secrets["username"], secrets["password"]
    else:
        user = user or typer.prompt("User", err=True)
        password = sys.stdin.readline().rstrip("\n") if password_stdin else _ask_password()
    pool = pool_of(config)
    tokens = pool.sign_in(user, password)
    return Profile(url, tokens.token, tokens.refresh_token, pool.endpoint, pool.client_id, functions)


def _functions(url: str) -> dict[str, str]:
    """Return the addresses of functions with their own. An API may have no page that lists them."""
    try:
        return dict(read_config(url).get("apiBase") or {})
    except SignInError:
        return {}


def _ask_password() -> str:
    found: str = typer.prompt("Password", hide_input=True, err=True)
    return found
