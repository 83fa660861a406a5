"""The deployment of a command, and its token.

They come from, in this order: `--url` and `--token`, `MILLRACE_URL` and `MILLRACE_TOKEN`, the profile written
by `millrace login`, and the local stack, which signs in its own user.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

from millrace.cli.output import Output
from millrace.cli.sign_in import SignInError, UserPool, local_user, read_config
from millrace.client import AsyncClient, Client, Policy

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
QUICK = Policy(attempts=3, first_wait=0.3)
"""People at a terminal want to learn soon that there is no connection."""


class ProfileError(Exception):
    """There is no usable login. The message says what to do."""


@dataclass(slots=True)
class Profile:
    """A login: the address, and a token or the means to renew one."""

    url: str
    token: str | None = None
    refresh_token: str | None = None
    endpoint: str = ""
    client_id: str = ""
    functions: dict[str, str] = field(default_factory=dict)

    def token_source(self) -> Callable[[], str] | str | None:
        """Return the token, or a function that gets one."""
        if not self.refresh_token:
            return self.token
        pool, secret = UserPool(self.endpoint, self.client_id), self.refresh_token
        return lambda: pool.renewed(secret)


@dataclass(frozen=True, slots=True)
class Options:
    """The global options."""

    url: str | None
    token: str | None
    profile: str
    output: Output
    policy: Policy = QUICK

    def client(self) -> Client:
        """Return a synchronous client. Raises `ProfileError`."""
        found, token = self._found()
        return Client(found.url, token, functions=found.functions, policy=self.policy)

    def async_client(self) -> AsyncClient:
        """Return an asynchronous client. Raises `ProfileError`."""
        found, token = self._found()
        return AsyncClient(found.url, token, functions=found.functions, policy=self.policy)

    @property
    def address(self) -> str:
        """The address of the deployment."""
        stored = None if self.url else load(self.profile)
        return stored.url if stored else self.url or local_url()

    def _found(self) -> tuple[Profile, Callable[[], str] | str | None]:
        stored = None if self.url else load(self.profile)
        found = stored or Profile(self.url or local_url())
        token = sys.stdin.readline().strip() if self.token == "-" else self.token
        if token:
            return found, token
        if stored is not None:
            return found, stored.token_source()
        if urlsplit(found.url).hostname in LOCAL_NAMES:
            return found, lambda: _local_token(found.url)
        raise ProfileError(f"There is no token for {found.url}. Sign in: millrace login {found.url}")


def options_of(context: typer.Context) -> Options:
    """Return the global options."""
    found = context.obj
    assert isinstance(found, Options)
    return found


def variable(name: str) -> str | None:
    """Return an environment variable."""
    return os.environ.get(name)


def local_url() -> str:
    """Return the address of the local stack."""
    return f"http://localhost:{os.environ.get('MILLRACE_PORT') or 8080}"


def _local_token(url: str) -> str:
    try:
        user = local_user(read_config(url))
    except SignInError as error:
        raise ProfileError(
            f"{error} Start the local stack (make run), or sign in: millrace login URL"
        ) from error
    if user is None:
        raise ProfileError(f"{url} does not sign in by itself. Sign in: millrace login {url}")
    return user()


def path() -> Path:
    """Return the file with the profiles."""
    named = os.environ.get("MILLRACE_CONFIG")
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(named) if named else home / "millrace" / "profiles.json"


def load(name: str) -> Profile | None:
    """Return a stored profile. Raises `ProfileError` for an unreadable file."""
    stored = _all().get(name)
    if stored is None and name != "default":
        raise ProfileError(
            f"There is no profile {name!r} in {path()}. Create it: millrace --profile {name} login URL"
        )
    try:
        return None if stored is None else Profile(**stored)
    except TypeError as error:
        raise ProfileError(
            f"{path()} is not a file of this version. Sign in again: millrace login URL"
        ) from error


def save(name: str, profile: Profile | None) -> None:
    """Store a profile, or delete it. Only its owner may read the file."""
    found = {key: value for key, value in _all().items() if key != name}
    if profile is not None:
        found[name] = asdict(profile)
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        json.dump(found, out, indent=2)
    new.replace(file)


def _all() -> dict[str, Any]:
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path()} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
