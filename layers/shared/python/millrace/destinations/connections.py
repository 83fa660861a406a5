"""Connections to users' databases, from URLs that are not trusted.

Only user, password, host, port, database and `sslmode` of a URL are used, because drivers support parameters
that name other hosts or read files. The host is resolved once and checked like every address from users. The
connection goes to the checked address, while TLS verifies the name.
"""

import socket
import ssl
from collections import OrderedDict
from collections.abc import Collection
from hashlib import sha256
from threading import Lock
from typing import Any

import certifi
from msgspec import Struct, field
from sqlalchemy import URL, Engine, Table, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from millrace.destinations.results import Unsendable
from millrace.net.addresses import Rules, check_addresses
from millrace.net.errors import AddressNotAllowed
from millrace.stores.aws import Aws

PORTS = (5432, 5433, 6432, 6543, 3306, 3307, 4000, 26257)
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 20
LOCK_SECONDS = 5
"""The maximum wait for a lock that another writer holds."""
_DATABASES = 16
_DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "dsql": 5432}
_DSQL_ROLE = "millrace-"
# Sessions are the same whatever the server's defaults: times in UTC, and no truncation of values.
_POSTGRESQL_OPTIONS = f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC -c datestyle=ISO"
_MYSQL_SESSION = (
    f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_SECONDS}, sql_mode = 'STRICT_ALL_TABLES,"
    "NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
)


class Access(Struct, frozen=True):
    """The access that the operator allows.

    `private_hosts` are database hosts that may have private addresses. `loopback` (a local stack) also allows
    this machine and SQLite files.
    """

    loopback: bool = False
    private_hosts: Collection[str] = ()


class Database(Struct, frozen=True):
    """An engine, and the tables looked up with it, with their times (`time.monotonic`)."""

    engine: Engine
    tables: dict[str, tuple[float, Table]] = field(default_factory=dict)


class Databases:
    """The databases of one process by URL, the 16 most recently used, with two connections each."""

    def __init__(self, access: Access, aws: Aws) -> None:
        self._access = access
        self._aws = aws
        self._known: OrderedDict[str, Database] = OrderedDict()
        self._lock = Lock()

    def get(self, url: str, organization: str) -> Database:
        """Return the database of a URL. Raises `Unsendable` for one that must not be used."""
        # The organization is part of the key, because it determines the database role at Aurora DSQL.
        name = sha256(f"{organization}\0{url}".encode()).hexdigest()
        with self._lock:
            if name not in self._known:
                self._known[name] = Database(self._make(url, organization))
            self._known.move_to_end(name)
            while len(self._known) > _DATABASES:
                # Jobs that use one of its connections are not affected, because dispose() closes only idle
                # ones.
                self._known.popitem(last=False)[1].engine.dispose()
            return self._known[name]

    def close(self) -> None:
        """Close all connections."""
        while self._known:
            self._known.popitem()[1].engine.dispose()

    def _make(self, text: str, organization: str) -> Engine:
        url = parse_url(text)
        kind = url.get_backend_name()
        if kind == "sqlite":
            return self._sqlite(url)
        connect = {"postgresql": self._postgresql, "mysql": self._mysql, "dsql": self._dsql}[kind]
        dialect = "mysql+pymysql" if kind == "mysql" else "postgresql+psycopg"
        return create_engine(
            f"{dialect}://",
            creator=lambda: connect(url, organization),
            pool_size=2,
            max_overflow=0,
            pool_timeout=STATEMENT_SECONDS,
            pool_recycle=240,
            # Lambda freezes a process between jobs, and servers and load balancers drop its connections
            # meanwhile.
            pool_pre_ping=True,
            # SQLAlchemy would otherwise include the values of rows in its errors.
            hide_parameters=True,
        )

    def _sqlite(self, url: URL) -> Engine:
        if not self._access.loopback:
            raise Unsendable("database_not_allowed", "SQLite files are supported by the local stack only.")
        return create_engine(
            URL.create("sqlite", database=url.database),
            hide_parameters=True,
            connect_args={"timeout": LOCK_SECONDS},
        )

    def _address(self, host: str, port: int, tls: bool) -> str:
        """Return the address to connect to. Raises `Unsendable`, and OSError if the name has none."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if host in self._access.private_hosts:
            return addresses[0]
        try:
            return check_addresses(host, port, addresses, Rules(PORTS, self._access.loopback), tls)[0]
        except AddressNotAllowed as error:
            raise Unsendable(error.code, error.message) from None

    def _postgresql(self, url: URL, organization: str) -> Any:
        mode = _sslmode(url)
        return self._connect_postgresql(
            url, mode, url.username or "", url.password or "", _POSTGRESQL_OPTIONS
        )

    def _dsql(self, url: URL, organization: str) -> Any:
        """Connect to Aurora DSQL with an IAM token instead of a password, valid for 15 minutes.

        The function's role may serve many organizations, so each has a database role of its own.
        """
        host = url.host or ""
        region = host.split(".dsql.")[-1].split(".")[0]
        token = self._aws.client("dsql").generate_db_connect_auth_token(host, region)
        return self._connect_postgresql(url, "verify-full", _DSQL_ROLE + organization, token, "")

    def _connect_postgresql(self, url: URL, mode: str, user: str, password: str, options: str) -> Any:
        import psycopg

        host, port = url.host or "", url.port or 5432
        return psycopg.connect(
            host=host,
            # libpq connects to `hostaddr` without DNS, and verifies the certificate against `host`.
            hostaddr=self._address(host, port, mode != "disable"),
            port=port,
            user=user,
            password=password,
            dbname=url.database or "postgres",
            sslmode=mode,
            sslrootcert=certifi.where() if mode == "verify-full" else None,
            gssencmode="disable",
            connect_timeout=CONNECT_SECONDS,
            client_encoding="utf8",
            # DSQL rejects start-up options, and is always in UTC; all others accept these.
            options=options,
            application_name="millrace",
        )

    def _mysql(self, url: URL, organization: str) -> Any:
        import pymysql

        host, port, mode = url.host or "", url.port or 3306, _sslmode(url)
        address = self._address(host, port, mode != "disable")
        connection = pymysql.connect(
            host=host,
            port=port,
            user=url.username or "",
            password=url.password or "",
            database=url.database,
            charset="utf8mb4",
            ssl=_ssl_context(mode),
            ssl_disabled=mode == "disable",
            # A hostile server may answer any statement with a request for a local file.
            local_infile=False,
            init_command=_MYSQL_SESSION,
            read_timeout=STATEMENT_SECONDS,
            write_timeout=STATEMENT_SECONDS,
            defer_connect=True,
        )
        # PyMySQL would resolve the name again, to an unchecked address. With a socket it uses `host` only to
        # verify the certificate.
        connection.connect(socket.create_connection((address, port), CONNECT_SECONDS))
        return connection


def parse_url(text: str) -> URL:
    """Parse the URL of a supported database.

    Raises `Unsendable` without quoting it, as it contains a password.
    """
    try:
        url = make_url(text)
        kind = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise Unsendable("invalid_connection", "The connection is not a database URL.") from None
    kind = "postgresql" if kind == "postgres" else "mysql" if kind == "mariadb" else kind
    if kind not in (*_DEFAULT_PORTS, "sqlite"):
        raise Unsendable(
            "invalid_connection",
            "The connection must begin with postgresql://, mysql://, dsql:// or dynamodb:.",
        )
    if kind == "dsql" and not (url.host or "").endswith(".on.aws"):
        raise Unsendable("invalid_connection", "The host of a DSQL cluster must end with .on.aws.")
    if kind != "sqlite" and not url.host:
        raise Unsendable("invalid_connection", "The connection has no host.")
    unknown = set(url.query) - {"sslmode"}
    if unknown:
        raise Unsendable("invalid_connection", "The only supported parameter of a connection is `sslmode`.")
    return url.set(drivername=kind)


def _sslmode(url: URL) -> str:
    """Return the TLS mode: verify-full (the default), require (encryption only), or disable (for
    loopback)."""
    mode = str(url.query.get("sslmode", "verify-full"))
    if mode not in ("verify-full", "require", "disable"):
        raise Unsendable("invalid_connection", "`sslmode` must be verify-full, require or disable.")
    return mode


def _ssl_context(mode: str) -> ssl.SSLContext | None:
    if mode == "disable":
        return None
    context = ssl.create_default_context(cafile=certifi.where())
    if mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
