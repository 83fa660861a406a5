"""OTLP endpoints: the deployment's, and those of organizations that have their own."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct, field

from millrace.errors import Unavailable
from millrace.settings import Settings
from millrace.stores.deployment_secrets import DeploymentSecrets

PATH = "/v1/traces"
_XRAY = re.compile(r"https://xray\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?/.*")


class Endpoint(Struct, frozen=True):
    """The destination of spans. With `texts`, they include what was said."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    texts: bool = False

    @property
    def signing_region(self) -> str:
        """The region of an X-Ray endpoint, whose requests are signed; empty for all others."""
        found = _XRAY.fullmatch(self.url)
        return found[1] if found else ""


class Endpoints:
    """Finds the endpoint of an organization.

    The secret is JSON: `headers`, and in `organizations` by id `{endpoint, headers, texts}`. An organization
    with a null entry has no endpoint.
    """

    def __init__(self, settings: Settings, secrets: DeploymentSecrets) -> None:
        self._url, self._secret = settings.otlp_endpoint, settings.otlp_secret
        self._texts = settings.otlp_texts.lower() == "true"
        self._secrets = secrets

    def of(self, organization: str) -> Endpoint | None:
        """Return the endpoint, or None if nothing of this organization is sent. Blocks.

        Raises `Unavailable` if the secret cannot be read or is invalid.
        """
        known = self._read()
        own = known.get("organizations", {}).get(organization, {})
        if own is None:
            return None
        url = own.get("endpoint") or self._url
        # Headers of the deployment's endpoint are keys, which another endpoint must not see.
        headers = own.get("headers") or ({} if own.get("endpoint") else known.get("headers", {}))
        return Endpoint(traces_url(url), headers, own.get("texts", self._texts)) if url else None

    def _read(self) -> dict[str, Any]:
        if not self._secret:
            return {}
        try:
            known = orjson.loads(self._secrets.text(self._secret))
        except orjson.JSONDecodeError as error:
            raise Unavailable("The secret of OTLP_SECRET is not JSON.", code="not_configured") from error
        if problem := _problem(known):
            raise Unavailable(f"The secret of OTLP_SECRET: {problem}.", code="not_configured")
        return dict(known)


def traces_url(endpoint: str) -> str:
    """Return the URL for traces.

    Exporters are configured with the base URL of all signals, or the full one.
    """
    base = endpoint.rstrip("/")
    return base if base.endswith(PATH) else base + PATH


def _problem(known: Any) -> str:
    """Return the mistake in a secret, without any of its content."""
    if not isinstance(known, dict):
        return "it must be an object"
    organizations = known.get("organizations", {})
    if not isinstance(organizations, dict):
        return "organizations must be an object"
    for name, one in [("the whole", known), *organizations.items()]:
        if one is None and name != "the whole":
            continue
        if not isinstance(one, dict) or not _texts(one.get("headers", {})):
            return f"headers of {name} must be an object of texts"
        url = one.get("endpoint", "")
        if not isinstance(url, str) or (url and not url.startswith(("https://", "http://"))):
            return f"endpoint of {name} must be an address"
        if not isinstance(one.get("texts", False), bool):
            return f"texts of {name} must be true or false"
    return ""


def _texts(headers: Any) -> bool:
    return isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values())
