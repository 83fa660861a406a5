"""Validation of a definition against the deployment: allowed addresses, and the hosts secrets are bound to.

Errors that can be detected this way are reported when the definition is written.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from millrace.destinations.secrets import host_allowed, secrets_of
from millrace.net.addresses import Rules, check_addresses, check_url, is_address
from millrace.net.errors import AddressNotAllowed
from millrace.pipelines.definitions.addresses import split_url
from millrace.pipelines.definitions.definition import PipelineDefinition, invalid
from millrace.pipelines.definitions.destinations import DatabaseConfig, DestinationConfig
from millrace.pipelines.definitions.references import REFERENCE

Hosts = Mapping[str, tuple[str, ...]]
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Address(Struct, frozen=True):
    """The address of a destination, as far as the definition contains it.

    `host` is None if a secret is part of it. `path` is the path of the field.
    """

    path: str
    scheme: str
    host: str | None
    port: int


def check_reach(definition: PipelineDefinition, secrets: Hosts, rules: Rules) -> None:
    """Raise `InvalidDefinition` for addresses that must not be called, and for secrets bound to other
    hosts."""
    problems = [
        {"path": path, "message": message}
        for config_path, config in destination_configs(definition)
        for path, message in _problems(config_path, config, secrets, rules)
    ]
    if problems:
        raise invalid(problems)


def destination_configs(definition: PipelineDefinition) -> Iterator[tuple[str, DestinationConfig]]:
    """Yield each destination's config with its path."""
    for at, target in enumerate(definition.targets):
        config_path = "destination" if definition.destination else f"destinations.{at}"
        yield f"{config_path}.config", target.config


def address_of(config_path: str, config: DestinationConfig) -> Address | None:
    """Return the address in a config's url, or None if there is none or a secret contains all of it."""
    for name in ("url", "webhook"):
        text = getattr(config, name, None)
        if text and not REFERENCE.match(text):
            parts, host = split_url(text)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 443)
            return Address(f"{config_path}.{name}", parts.scheme, host, port)
    if isinstance(config, DatabaseConfig) and config.connection and not REFERENCE.match(config.connection):
        return _database(config_path, config.connection)
    return None


def _database(config_path: str, connection: str) -> Address | None:
    scheme, _, _ = connection.partition(":")
    if scheme in ("dynamodb", "sqlite"):
        return None
    host = urlsplit(REFERENCE.sub("x", connection)).hostname
    hidden = REFERENCE.search(connection.rpartition("@")[2].partition("/")[0])
    return Address(f"{config_path}.connection", scheme, None if hidden else host, 0)


def _problems(
    config_path: str, config: DestinationConfig, secrets: Hosts, rules: Rules
) -> Iterator[tuple[str, str]]:
    address = address_of(config_path, config)
    if address is None or address.host is None:
        return
    if address.port:
        try:
            _check_address(address.scheme, address.host, address.port, rules)
        except AddressNotAllowed as error:
            yield address.path, error.message
    for name in sorted(secrets_of(config)):
        bound = secrets.get(name, ())
        if bound and not host_allowed(address.host, bound):
            yield (
                address.path,
                f"The secret {name} may only be sent to {', '.join(bound)}, not to {address.host}.",
            )


def _check_address(scheme: str, host: str, port: int, rules: Rules) -> None:
    """Check an address as far as possible without DNS."""
    check_url(scheme, host, port, rules)
    # RFC 6761 reserves these names for the loopback interface, whatever DNS answers.
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    if is_address(host):
        check_addresses(host, port, [host], rules, scheme == "https")
