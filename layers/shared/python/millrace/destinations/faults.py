"""Causes of database errors: concurrent transactions, the server, the table, or a row.

An unknown error is attributed to the row, because triggers, policies and views may reject rows with any code.
"""

from enum import Enum, auto
from typing import Any

from sqlalchemy.exc import DBAPIError

from millrace.destinations.results import Failure


class Fault(Enum):
    """The party that has to change for the same statement to succeed."""

    OTHERS = auto()
    """Concurrent transactions: retry immediately."""
    SERVER = auto()
    """The server is down, full, read-only or rejects logins: retry later."""
    TABLE = auto()
    """The table was dropped or changed: no row can be written."""
    ROW = auto()


_OTHERS = {"40001", "40P01", "1205", "1213", "1020", "OC000", "OC001"}
# PostgreSQL: connection, resources, operator and system errors by class; read-only, like a replica during a
# failover; locks not available; wrong passwords.
_SERVER_CLASSES = ("08", "53", "57", "58", "28")
_SERVER = {"25006", "55P03", "3D000", "XX001", "XX002"}
# MySQL and MariaDB: full disks and tables, too many connections, access, shutdown, network, read-only,
# timeouts.
_SERVER |= {str(code) for code in (1021, 1040, 1044, 1045, 1049, 1053, 1114, 1129, 1130, 1203, 1226, 1290)}
_SERVER |= {str(code) for code in (1317, 1792, 1836, 1927, 1969, 3024, 3032, *range(2000, 2100))}
# SQLite: busy, locked, out of memory, read-only, I/O, corrupt, full, cannot open.
_SERVER |= {f"sqlite:{code}" for code in (5, 6, 7, 8, 10, 11, 13, 14)}
_TABLE = {"42P01", "42703", "3F000", "1054", "1142", "1143", "1146"}
DUPLICATE = "1062"
"""MySQL's code for a duplicate value of a unique key."""


def fault_of(error: Exception) -> Fault:
    """Return the cause of an error, as far as the error shows it."""
    found = codes(error)
    if found & _OTHERS:
        return Fault.OTHERS
    if found & _SERVER or any(code[:2] in _SERVER_CLASSES for code in found if len(code) == 5):
        return Fault.SERVER
    return Fault.TABLE if found & _TABLE else Fault.ROW


def is_disconnect(error: Exception) -> bool:
    """Return whether the error ended the connection."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def codes(error: Exception) -> set[str]:
    """Return SQLSTATE, MySQL's more specific error number, and SQLite's as `sqlite:<number>`."""
    original: Any = getattr(error, "orig", None)
    arguments = getattr(original, "args", ())
    number = arguments[0] if arguments and isinstance(arguments[0], int) else None
    lite = getattr(original, "sqlite_errorcode", None)
    state = None if number else getattr(original, "sqlstate", None)
    return {str(code) for code in (state, number, lite and f"sqlite:{lite & 0xFF}") if code}


def failure(code: str, error: Exception) -> Failure:
    """Return the driver's message, without the statement and its values."""
    original = getattr(error, "orig", None) or error
    said = " ".join(str(original).split())
    return Failure(code, f"The database says: {said}"[:1000], body="")
