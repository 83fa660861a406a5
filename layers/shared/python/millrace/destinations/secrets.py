"""`${secrets.NAME}` in a destination's configuration: replaced when something is sent, bound to hosts, and
taken out of everything that is written down."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote

import orjson

from millrace.destinations.fates import Unsendable
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.definitions.destinations import DatabaseConfig, Delivery, secret_names
from millrace.pipelines.definitions.references import REFERENCE
from millrace.stores.secrets import Secret

DATABASE = "DATABASE_URL"
"""The secret that a `database` destination without `connection` uses."""

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

Config = TypeVar("Config", bound=Delivery)


def secrets_of(config: Delivery) -> set[str]:
    """The names of the secrets that sending needs."""
    if isinstance(config, DatabaseConfig) and config.connection is None:
        return {DATABASE}
    return secret_names({name: getattr(config, name, None) for name in _FIELDS})


def check_secrets(definition: PipelineDefinition, known: Mapping[str, Any]) -> None:
    """Raises `InvalidRequest` that names each secret of a definition that is not among those known."""
    needed = definition.secrets.union(*(secrets_of(target.config) for target in definition.targets))
    unknown = sorted(needed - set(known))
    if unknown:
        raise InvalidRequest(
            f"Store these secrets first: {', '.join(unknown)}.", code="unknown_secret", secrets=unknown
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    """A configuration with its secrets in place: never to be logged or stored."""

    config: Delivery = field(repr=False)
    used: tuple[Secret, ...]

    def check_host(self, host: str) -> None:
        """Raises `Unsendable` unless every secret used may be sent to this host."""
        for secret in self.used:
            if not host_allowed(host, secret.hosts):
                raise Unsendable(
                    "secret_not_allowed",
                    f"The secret {secret.name} may only be sent to {', '.join(secret.hosts)}, "
                    f"not to {_known_part(host, secret)}.",
                )


def _known_part(host: str, secret: Secret) -> str:
    """A host may be made of a secret itself."""
    return (
        "this host" if secret.value.lower() in host.lower() or host.lower() in secret.value.lower() else host
    )


def host_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Whether a host is one of those named; `*.example.com` means every name below example.com."""
    host = host.lower().rstrip(".")
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in allowed)


def resolve(config: Config, known: Mapping[str, Secret]) -> tuple[Config, Resolved]:
    """The configuration with secrets in urls, headers and credentials. Raises `Unsendable` for a secret that
    does not exist (any more)."""
    needed = secrets_of(config)
    missing = sorted(needed - set(known))
    if missing:
        raise Unsendable(
            "unknown_secret", f"There is no secret {', '.join(missing)}. Store it, then redrive."
        )
    values = {name: getattr(config, name) for name in _FIELDS if getattr(config, name, None) is not None}
    if isinstance(config, DatabaseConfig) and config.connection is None:
        values["connection"] = f"${{secrets.{DATABASE}}}"
    filled = config.model_copy(update={name: _filled(value, known) for name, value in values.items()})
    return filled, Resolved(filled, tuple(known[name] for name in sorted(needed)))


def _filled(value: Any, known: Mapping[str, Secret]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, known) for name, each in value.items()}
    return REFERENCE.sub(lambda found: known[found[1]].value, value)


class Redactor:
    """Takes secrets out of text, in every form in which a server or driver may give them back."""

    def __init__(self, resolved: Resolved) -> None:
        names: dict[str, str] = {}
        for label, value in _sensitive(resolved):
            names |= dict.fromkeys(_forms(value), label)
        self._labels = names
        longest_first = sorted(names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if names else None

    def __call__(self, text: str) -> str:
        """The text with `[secret NAME]` instead of each."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[secret {self._labels[found[0]]}]", text)


def _sensitive(resolved: Resolved) -> list[tuple[str, str]]:
    """Labels and values: all secrets, and credentials that were written out in the definition."""
    config = resolved.config
    found = [(name, getattr(config, name, None)) for name in sorted(_CREDENTIALS)]
    headers: Mapping[str, str] = getattr(config, "headers", {})
    found += [(name, value) for name, value in headers.items() if name.lower() == "authorization"]
    account, key = getattr(config, "service_account", None), getattr(config, "service_secret", None)
    if account and key:
        found.append(("service_secret", f"{account}:{key}"))
    found += [(secret.name, secret.value) for secret in resolved.used]
    pairs = [(label, value) for label, value in found if isinstance(value, str)]
    pairs += [(label, part) for label, value in pairs for part in _parts(value)]
    return [(label, value) for label, value in pairs if len(value) >= 4]


def _parts(value: str) -> list[str]:
    """What may be told of a URL by itself: its password, as written and as meant, and its path."""
    found = re.match(r"[A-Za-z0-9+]+://(?:[^/:@]*:([^/@]*)@)?[^/?#]*(/[^?#]*)?", value)
    if not found:
        return []
    password, path = found[1] or "", found[2] or ""
    return [password, unquote(password), *([path] if len(path) >= _LEAST_PATH else [])]


def _forms(value: str) -> set[str]:
    """The value as it is, in URLs, in JSON, and in Basic credentials."""
    basic = [base64.b64encode(text.encode()).decode() for text in (value, f"{value}:")]
    json = orjson.dumps(value).decode()[1:-1]
    scheme, _, credentials = value.partition(" ")
    plain = {value, quote(value), quote(value, safe=""), quote_plus(value), json, *basic}
    return plain | (
        {credentials} if scheme.lower() in ("bearer", "basic") and len(credentials) >= 4 else set()
    )
