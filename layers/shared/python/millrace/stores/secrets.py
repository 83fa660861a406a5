"""The organizations' own secrets: written through the API, read for deliveries, never shown.

Each value is encrypted with the deployment's KMS key, with organization and name as the encryption context,
and stored in DynamoDB. So a writer needs only kms:Encrypt and a sender only kms:Decrypt, and a value copied
to another organization's item does not decrypt. Secrets Manager would offer the same for 0.40 USD per secret
and month, with a quota per account.
"""

import asyncio
import re
from dataclasses import dataclass, field
from ipaddress import ip_address

import orjson
from msgspec import Struct

from millrace.domain.limits import check_count
from millrace.errors import InvalidRequest, NotFound
from millrace.stores.aws import Aws
from millrace.stores.creations import count_items, create_counted
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, delete, put
from millrace.stores.reading import readable
from millrace.stores.sealing import Sealer

_CACHE_SIZE = 1_000
LONGEST = 4_000
SHORTEST = 1
MAX_HOSTS = 20
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret with the only hosts it may be sent to; `*.example.com` allows all names below."""

    name: str
    value: str = field(repr=False)
    hosts: tuple[str, ...] = ()


class SecretInfo(Struct, frozen=True):
    """A secret without its value."""

    name: str
    hosts: tuple[str, ...]
    updated_at: int


class SecretStore:
    """Secrets that people can only write, and that deliveries read."""

    def __init__(self, aws: Aws, dynamo: Dynamo, table: str, key_id: str) -> None:
        self._sealer = Sealer(aws, key_id)
        self._dynamo = dynamo
        self._table = table
        self._opened: dict[tuple[str, str], tuple[bytes, Secret]] = {}

    async def put(self, organization: str, secret: Secret, now: int, most: int | None = None) -> SecretInfo:
        """Store or replace a secret.

        Raises `InvalidRequest`, and `TooManyRequests` for a new secret if there are already `most`.
        """
        hosts = check_secret(secret)
        item: Item = _key(organization, secret.name) | {
            "sealed": await self._sealer.seal(secret.value, _context(organization, secret.name, hosts)),
            "hosts": orjson.dumps(hosts).decode(),
            "updatedAt": now,
        }
        write, key = put(self._table, item), _key(organization, secret.name)

        async def check() -> None:
            if not await self._dynamo.get(self._table, key):
                check_count(
                    "secrets", most, await count_items(self._dynamo, self._table, organization, most or 0)
                )

        if most is None:
            await self._dynamo.write(write)
        else:
            await create_counted(self._dynamo, self._table, f"{organization}#", check, write)
        return SecretInfo(secret.name, hosts, now)

    async def page(
        self, organization: str, after: str = "", limit: int = 100
    ) -> tuple[list[SecretInfo], str | None]:
        """Return names and hosts, in order of the names, and the name to continue after."""
        items = await self._dynamo.query(
            self._table, "pk = :pk AND sk > :after", limit=limit, pk=organization, after=after or " "
        )
        return readable(items, _info), items[-1]["sk"] if len(items) == limit else None

    async def names(self, organization: str) -> dict[str, tuple[str, ...]]:
        """Return all names with their hosts, to validate a new definition."""
        items = await self._dynamo.query(self._table, "pk = :pk", pk=organization)
        return {item["sk"]: tuple(orjson.loads(item["hosts"])) for item in items}

    async def delete(self, organization: str, name: str) -> None:
        """Delete a secret. Raises `NotFound`."""
        try:
            await self._dynamo.write(delete(self._table, _key(organization, name)))
        except ConditionFailed as error:
            raise NotFound(f"No secret is called {name!r}.", code="secret_not_found") from error

    async def read(self, organization: str, names: set[str]) -> dict[str, Secret]:
        """Return the current values of the secrets that exist.

        Values are always read again, because someone who corrects a secret and redrives expects the new one.
        Only decrypted values are cached, each with its ciphertext.
        """
        found = await asyncio.gather(*(self._read(organization, name) for name in sorted(names)))
        return {secret.name: secret for secret in found if secret}

    async def _read(self, organization: str, name: str) -> Secret | None:
        item = await self._dynamo.get(self._table, _key(organization, name))
        if item is None:
            self._opened.pop((organization, name), None)
            return None
        sealed, opened = self._opened.get((organization, name), (b"", None))
        # The hosts are part of the encryption context: the cache must not bypass KMS for an item whose hosts
        # were edited in the table.
        if opened and sealed == item["sealed"] and opened.hosts == _info(item).hosts:
            return opened
        secret = await self._open(organization, item)
        if secret:
            if len(self._opened) >= _CACHE_SIZE:
                self._opened.clear()
            self._opened[organization, name] = (item["sealed"], secret)
        return secret

    async def _open(self, organization: str, item: Item) -> Secret | None:
        """Return None for an item that was not written by `put` for this organization, name and hosts."""
        hosts = tuple(orjson.loads(item["hosts"]))
        value = await self._sealer.unseal(item["sealed"], _context(organization, item["sk"], hosts))
        return None if value is None else Secret(item["sk"], value, hosts)


def check_secret(secret: Secret) -> tuple[str, ...]:
    """Return the hosts in lower case, sorted. Raises `InvalidRequest` with the reason."""
    if not _NAME.fullmatch(secret.name):
        raise InvalidRequest(
            "A secret's name must have 1 to 100 of the characters `A-Z a-z 0-9 _ -`.", code="invalid_secret"
        )
    if not SHORTEST <= len(secret.value) <= LONGEST or len(secret.value.encode()) > LONGEST:
        raise InvalidRequest(
            f"A secret must have {SHORTEST} to {LONGEST:,} characters.", code="invalid_secret"
        )
    if not secret.value.isprintable():
        raise InvalidRequest(
            "A secret must not contain line breaks or control characters.", code="invalid_secret"
        )
    hosts = tuple(sorted({host.lower() for host in secret.hosts}))
    if not 1 <= len(hosts) <= MAX_HOSTS:
        raise InvalidRequest(
            f"`hosts` must list 1 to {MAX_HOSTS} hosts that the secret may be sent to.", code="invalid_secret"
        )
    wrong = [host for host in hosts if not _valid_host(host)]
    if wrong:
        raise InvalidRequest(f"{wrong[0]!r} is not a host name.", code="invalid_secret")
    return hosts


def _valid_host(host: str) -> bool:
    """Return whether a host is valid. A `*.` must not cover a whole top-level domain."""
    if host.startswith("*.") and host.count(".") < 2:
        return False
    return len(host) <= 253 and (_HOST.fullmatch(host) is not None or _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _key(organization: str, name: str) -> Item:
    return {"pk": organization, "sk": name}


def _context(organization: str, name: str, hosts: tuple[str, ...]) -> dict[str, str]:
    return {"organization": organization, "name": name, "hosts": ",".join(hosts)}


def _info(item: Item) -> SecretInfo:
    return SecretInfo(item["sk"], tuple(orjson.loads(item["hosts"])), item["updatedAt"])
