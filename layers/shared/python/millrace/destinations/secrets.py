"""`${secrets.NAME}` in a destination's configuration: resolved when something is sent, bound to hosts, and
redacted from everything that is written."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from millrace.destinations.redaction import Redaction
from millrace.destinations.results import Unsendable
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.definitions.destinations import (
    DatabaseConfig,
    Delivery,
    ExtensionConfig,
    secret_names,
)
from millrace.pipelines.definitions.references import REFERENCE
from millrace.stores.secrets import Secret

DATABASE = "DATABASE_URL"
"""The secret for a `database` destination without `connection`."""

_FIELDS = (
    "url",
    "webhook",
    "headers",
    "signing_secret",
    "connection",
    "project_token",
    "project_id",
    "service_account",
    "service_secret",
    "api_key",
    "write_key",
)
_CREDENTIALS = frozenset(_FIELDS) - {"url", "headers", "project_id", "service_account"}

_LEAST_PATH = 12
_ADDRESSES = ("url", "webhook", "connection")

Config = TypeVar("Config", bound=Delivery)


def secrets_of(config: Delivery) -> set[str]:
    """Return the names of the secrets that sending needs."""
    if isinstance(config, DatabaseConfig) and config.connection is None:
        return {DATABASE}
    return secret_names({name: getattr(config, name, None) for name in _fields(config)})


def _fields(config: Delivery) -> Iterable[str]:
    """Return the fields that may contain secrets."""
    return type(config).model_fields if isinstance(config, ExtensionConfig) else _FIELDS


def check_secrets(definition: PipelineDefinition, known: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` with each secret of a definition that is not among the known ones."""
    needed = definition.secrets.union(*(secrets_of(target.config) for target in definition.targets))
    unknown = sorted(needed - set(known))
    if unknown:
        raise InvalidRequest(
            f"Store these secrets first: {', '.join(unknown)}.", code="unknown_secret", secrets=unknown
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    """A configuration with resolved secrets, which must never be logged or stored."""

    config: Delivery = field(repr=False)
    used: tuple[Secret, ...]
    host_is_secret: bool = False

    @property
    def hidden_hosts(self) -> set[str]:
        """The host in each form, if a secret is part of it: it is never quoted, not even its public part.

        A host that a secret is bound to is public.
        """
        if not self.host_is_secret:
            return set()
        public = {host for secret in self.used for host in secret.hosts}
        return _hosts(address_text(self.config)) - public

    def check_host(self, host: str) -> None:
        """Raise `Unsendable` unless every secret in use may be sent to this host."""
        for secret in self.used:
            if not host_allowed(host, secret.hosts):
                target = "the host that the secret makes" if self.host_is_secret else host
                raise Unsendable(
                    "secret_not_allowed",
                    f"The secret {secret.name} may only be sent to {', '.join(secret.hosts)}, "
                    f"not to {target}.",
                )


def address_text(config: Delivery) -> str:
    """Return the text with a destination's address, or "" for services with a fixed one."""
    return next((text for name in _ADDRESSES if (text := getattr(config, name, None))), "")


def _authority(address: str) -> str:
    """Return user, host and port of a URL, as written."""
    return re.split(r"[/?#\\]", re.sub(r"^[\w+]*:?//", "", address), maxsplit=1)[0]


def _hosts(address: str) -> set[str]:
    """Return the host of an address as written, in lower case, and as sent."""
    import httpx  # not in functions that only check definitions

    written = _authority(address).rpartition("@")[2]
    found = {written, written.partition(":")[0]}
    try:
        url = httpx.URL(address)
        found |= {url.host, url.raw_host.decode("ascii")}
    except (httpx.InvalidURL, UnicodeError):
        pass  # such a request is never sent
    return {form for host in found for form in (host, host.lower()) if form}


def _host_is_secret(config: Delivery, filled: Delivery) -> bool:
    """Return whether a secret is, or changes, the host.

    `https://${secrets.A}@host` leads elsewhere if the secret contains a slash.
    """
    authority = _authority(address_text(config))
    # A database without `connection` has no address of its own: all of it is the secret `DATABASE_URL`.
    if not REFERENCE.search(authority or "${secrets.x}" * isinstance(config, DatabaseConfig)):
        return False
    host = authority.rpartition("@")[2].partition(":")[0].lower()
    return REFERENCE.search(host) is not None or host not in _hosts(address_text(filled))


def host_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Return whether a host is allowed; `*.example.com` allows every name below example.com."""
    host = host.lower().rstrip(".")
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in allowed)


def resolve(config: Config, known: Mapping[str, Secret]) -> tuple[Config, Resolved]:
    """Return the configuration with resolved secrets in URLs, headers and credentials.

    Raises `Unsendable` for a secret that does not exist (any more).
    """
    needed = secrets_of(config)
    missing = sorted(needed - set(known))
    if missing:
        raise Unsendable(
            "unknown_secret", f"No secret is called {', '.join(missing)}. Store it, then redrive."
        )
    found = {name: getattr(config, name, None) for name in _fields(config)}
    values = {name: value for name, value in found.items() if isinstance(value, str | dict)}
    if isinstance(config, DatabaseConfig) and config.connection is None:
        values["connection"] = f"${{secrets.{DATABASE}}}"
    filled = config.model_copy(update={name: _filled(value, known) for name, value in values.items()})
    return filled, Resolved(
        filled, tuple(known[name] for name in sorted(needed)), _host_is_secret(config, filled)
    )


def _filled(value: Any, known: Mapping[str, Secret]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, known) for name, each in value.items()}
    return REFERENCE.sub(lambda found: known[found[1]].value, value) if isinstance(value, str) else value


class Redactor(Redaction):
    """Redacts the secrets of a configuration from text."""

    def __init__(self, resolved: Resolved) -> None:
        super().__init__(_sensitive(resolved), resolved.hidden_hosts)


def _sensitive(resolved: Resolved) -> list[tuple[str, str]]:
    """Return labels and values of all secrets, and of credentials written literally in the definition."""
    config = resolved.config
    found = [(name, getattr(config, name, None)) for name in sorted(_CREDENTIALS)]
    headers: Mapping[str, str] = getattr(config, "headers", {})
    found += [(name, value) for name, value in headers.items() if name.lower() == "authorization"]
    account, key = getattr(config, "service_account", None), getattr(config, "service_secret", None)
    if account and key:
        found.append(("service_secret", f"{account}:{key}"))
    found += [(secret.name, secret.value) for secret in resolved.used]
    pairs = [(label, value) for label, value in found if isinstance(value, str)]
    # If a value has two labels, the later one is used: the name of the secret.
    return [(label, part) for label, value in pairs for part in _parts(value)] + pairs


def _parts(value: str) -> list[str]:
    """Return the parts of a credential that are secret by themselves.

    These are a URL's password, as written and decoded, and its path, or the text after `Bearer` or `Basic`.
    """
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() in ("bearer", "basic"):
        return [credentials]
    found = re.match(r"[A-Za-z0-9+]+://(?:[^/:@]*:([^/@]*)@)?[^/?#]*(/[^?#]*)?", value)
    if not found:
        return []
    password, path = found[1] or "", found[2] or ""
    return [password, unquote(password), *([path] if len(path) >= _LEAST_PATH else [])]
