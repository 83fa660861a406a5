"""Secrets of an organization for its pipelines: written, listed by name, deleted; never shown."""

from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import Clock, iso
from millrace.errors import InvalidRequest
from millrace.stores.limits import LimitStore
from millrace.stores.secrets import Secret, SecretInfo, SecretStore


class Secrets:
    """Operations on secrets."""

    def __init__(self, store: SecretStore, limits: LimitStore, clock: Clock) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock

    async def put(self, caller: Principal, name: str, given: dict[str, Any]) -> SecretInfo:
        """Store or replace a secret: `{value, hosts}`.

        Raises `InvalidRequest`, whose text never contains the value, or `TooManyRequests` at the limit.
        """
        value, hosts = given.get("value"), given.get("hosts")
        if given.keys() - {"value", "hosts"} or not isinstance(value, str) or not _texts(hosts):
            raise InvalidRequest(
                "Send `value`, and `hosts`: the host names that it may be sent to.", code="invalid_secret"
            )
        limits = (await self._limits.control(caller.organization)).limits
        secret = Secret(name, value, tuple(hosts or ()))
        return await self._store.put(caller.organization, secret, self._clock(), limits.organization.secrets)

    async def page(self, caller: Principal, after: str, limit: int) -> tuple[list[SecretInfo], str | None]:
        """Return names and hosts, and the name to continue after."""
        return await self._store.page(caller.organization, after, limit)

    async def delete(self, caller: Principal, name: str) -> None:
        """Delete a secret. Raises `NotFound`."""
        await self._store.delete(caller.organization, name)


def _texts(hosts: Any) -> bool:
    return isinstance(hosts, list) and all(isinstance(host, str) for host in hosts)


def to_public(info: SecretInfo) -> dict[str, Any]:
    """Return the JSON object for clients."""
    return {"name": info.name, "hosts": list(info.hosts), "updatedAt": iso(info.updated_at)}
