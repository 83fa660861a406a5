"""The organizations' own secrets: written through the API, read when something is sent, never shown.

Each value is encrypted by one KMS key of the deployment, with organization and name as encryption context,
and kept in DynamoDB. So whoever writes needs only kms:Encrypt and whoever sends only kms:Decrypt; a value
copied into another organization's item does not decrypt. Secrets Manager would do the same for 0.40 USD per
secret and month, and has a quota per account.
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
    """`hosts` are the only ones that it may be sent to; `*.example.com` allows every name below that."""

    name: str
    value: str = field(repr=False)
    hosts: tuple[str, ...] = ()


class SecretInfo(Struct, frozen=True):
    """A secret without its value, as it may be shown."""

    name: str
    hosts: tuple[str, ...]
    updated_at: int


class SecretStore:
    """Write only for people, readable for deliveries."""

    def __init__(self, aws: Aws, dynamo: Dynamo, table: str, key_id: str) -> None:
        self._sealer = Sealer(aws, key_id)
        self._dynamo = dynamo
        self._table = table
        self._opened: dict[tuple[str, str], tuple[bytes, Secret]] = {}

    async def put(self, organization: str, secret: Secret, now: int, most: int | None = None) -> SecretInfo:
        """Store or replace a secret. Raises `InvalidRequest`, or `TooManyRequests` for a new one where there
        are `most` already."""
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
        """Names and hosts, by name, and the name to go on after."""
        items = await self._dynamo.query(
            self._table, "pk = :pk AND sk > :after", limit=limit, pk=organization, after=after or " "
        )
        return readable(items, _info), items[-1]["sk"] if len(items) == limit else None

    async def names(self, organization: str) -> dict[str, tuple[str, ...]]:
        """All names with their hosts, to check a new definition against."""
        items = await self._dynamo.query(self._table, "pk = :pk", pk=organization)
        return {item["sk"]: tuple(orjson.loads(item["hosts"])) for item in items}

    async def delete(self, organization: str, name: str) -> None:
        """Raises `NotFound`."""
        try:
            await self._dynamo.write(delete(self._table, _key(organization, name)))
        except ConditionFailed as error:
            raise NotFound(f"No secret is called {name!r}.", code="secret_not_found") from error

    async def read(self, organization: str, names: set[str]) -> dict[str, Secret]:
        """The values of those that exist, as they are now: whoever corrects a secret and redrives means the
        new one. Only what KMS decrypted is kept, by the sealed value that it belongs to."""
        found = await asyncio.gather(*(self._read(organization, name) for name in sorted(names)))
        return {secret.name: secret for secret in found if secret}

    async def _read(self, organization: str, name: str) -> Secret | None:
        item = await self._dynamo.get(self._table, _key(organization, name))
        if item is None:
            self._opened.pop((organization, name), None)
            return None
        sealed, opened = self._opened.get((organization, name), (b"", None))
        # The hosts belong to the encryption context: an item whose hosts were edited in the table must not
        # get past KMS by way of this cache.
        if opened and sealed == item["sealed"] and opened.hosts == _info(item).hosts:
            return opened
        secret = await self._open(organization, item)
        if secret:
            if len(self._opened) >= _CACHE_SIZE:
                self._opened.clear()
            self._opened[organization, name] = (item["sealed"], secret)
        return secret

    async def _open(self, organization: str, item: Item) -> Secret | None:
        """None for an item that was not made by `put` for this organization, name and hosts."""
        hosts = tuple(orjson.loads(item["hosts"]))
        value = await self._sealer.unseal(item["sealed"], _context(organization, item["sk"], hosts))
        return None if value is None else Secret(item["sk"], value, hosts)


def check_secret(secret: Secret) -> tuple[str, ...]:
    """The hosts in lower case, sorted. Raises `InvalidRequest` that says what is wrong."""
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
    """A name of two parts at least below a `*.`, which may not span a whole top-level domain."""
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
