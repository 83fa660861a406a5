"""URLs and headers of destinations: validation that does not need the network."""

import base64
import binascii
import re
from urllib.parse import SplitResult, urlsplit

from pydantic_core import PydanticCustomError

from millrace.net import headers as net_headers
from millrace.pipelines.definitions.references import REFERENCE, check_references
from millrace.pipelines.definitions.written import misplaced

_HOST = re.compile(r"[^\s/\\?#@:\[\]<>{}|^%\"'`]+|\[[0-9a-fA-F:.]+\]")
_CONNECTION = re.compile(r"(postgres(ql)?|mysql|mariadb|dsql|sqlite)(\+[a-z0-9]+)?://|dynamodb:")
_STANDIN = "secret"


def split_url(url: str) -> tuple[SplitResult, str | None]:
    """Return a URL's parts, and its host in lower case, or None if a secret is part of the host.

    Raises `ValueError` for an invalid URL.
    """
    standin = _STANDIN
    # The stand-in must not occur in the URL, or its host would seem to contain a secret.
    while standin in url:
        standin += "x"
    parts = urlsplit(REFERENCE.sub(standin, url))
    host = parts.netloc.rpartition("@")[2]
    name = host if host.startswith("[") and host.endswith("]") else host.rpartition(":")[0] or host
    if parts.port == 0 or not _HOST.fullmatch(name):
        raise ValueError("no host")
    # `example.com.` is the same host, and has to match the hosts that a secret is bound to.
    return parts, None if standin in host else (parts.hostname or "").rstrip(".")


def check_url(url: str) -> None:
    """Raise unless the URL can be called. A URL that begins with a secret is known only when it is called."""
    check_references(url)
    if "{{" in url:
        raise _invalid("A URL is not a template: `{{` would be sent as it is.")
    # `urlsplit` silently drops tabs and line breaks, so they have to be found before.
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _invalid("A URL must not contain spaces, line breaks or control characters.")
    if url.startswith("${secrets."):
        return
    try:
        split_url(url)
    except ValueError:
        raise _invalid("This is not a URL: write https://host/path.") from None


def check_connection(connection: str) -> None:
    """Raise unless the connection is to a supported database, or begins with a secret."""
    check_references(connection)
    if not REFERENCE.match(connection) and not _CONNECTION.match(connection):
        raise _invalid("A connection must begin with postgresql://, mysql://, dsql:// or dynamodb:.")
    if not connection.startswith(("dynamodb:", "sqlite")):
        try:
            urlsplit(REFERENCE.sub("x", connection))
        except ValueError:
            raise _invalid("The connection is not a database URL.") from None


def check_headers(headers: dict[str, str]) -> None:
    """Raise for headers that would break the request, or that the author must not set."""
    seen: set[str] = set()
    for name, value in headers.items():
        problem = header_problem(name, value) or (
            f"The header {name!r} is given twice." if name.lower() in seen else None
        )
        if problem:
            raise PydanticCustomError("invalid_header", "{problem}", {"problem": problem, "field": name})
        seen.add(name.lower())
        check_references(value)


def check_standard_secret(secret: str) -> None:
    """Raise for a literal secret that does not follow Standard Webhooks: base64 after `whsec_`."""
    try:
        if not REFERENCE.search(secret):
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise misplaced(
            "secret", "A Standard Webhooks secret must be base64, with or without `whsec_`."
        ) from None


def check_signing_secret(secret: str) -> None:
    """Raise for a key that begins with `whsec_` but does not continue with base64."""
    check_references(secret)
    if secret.startswith("whsec_") and not REFERENCE.search(secret):
        try:
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            raise PydanticCustomError(
                "invalid_secret", "A signing secret that begins with `whsec_` must continue with base64."
            ) from None


def header_problem(name: str, value: str) -> str | None:
    """Return the problem with a webhook's header, or None."""
    if name.lower().startswith("webhook-"):
        return f"The header {name!r} cannot be set: it is our own."
    return net_headers.header_problem(name, value)


def _invalid(message: str) -> PydanticCustomError:
    return PydanticCustomError("invalid_url", "{message}", {"message": message})
