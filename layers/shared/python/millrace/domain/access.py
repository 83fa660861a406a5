"""Callers and their permissions: roles, the scopes that roles grant, and access to what a user owns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from millrace.errors import Forbidden

Scope = Literal[
    "chat",
    "voice",
    "observe",
    "alerts:write",
    "conversations:manage",
    "agents:read",
    "agents:write",
    "pipelines:read",
    "pipelines:write",
    "organization:manage",
]
SCOPES: frozenset[str] = frozenset(get_args(Scope))

_CUSTOMER = frozenset({"chat", "voice"})
_MEMBER = _CUSTOMER | {"observe", "agents:read", "pipelines:read"}
_OPERATOR = _MEMBER | {"conversations:manage", "alerts:write", "pipelines:write"}
ROLES: dict[str, frozenset[str]] = {
    "customer": _CUSTOMER,
    "member": _MEMBER,
    "operator": _OPERATOR,
    "admin": SCOPES,
}
"""The scopes that each role grants: a customer uses agents, a member also sees all of the organization, an
operator also acts on it, an admin also decides what agents are and manages the organization."""
NO_ROLE = "none"
"""The default role that grants nothing."""

Access = Literal["none", "read", "write", "own"]
"""What a user may do with a conversation; each level includes the ones before it. `write` is to send, steer
and stop; `own` is to delete and share."""
_LEVELS: tuple[Access, ...] = get_args(Access)


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `organization` starts every key of every table. `id` is the token's subject,
    `claims` are those about the user, `roles` those that the token names, or the default one. `scopes` may
    hold names that only the deployment's own tools know. `issued_ms` is the time of the token, to
    which revocations are compared; None of API keys, and where it was checked before."""

    organization: str
    id: str
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False)
    issued_ms: int | None = field(default=None, compare=False)

    def may(self, scope: str) -> bool:
        """Return whether the caller has the scope."""
        return scope in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises `Forbidden` when the caller lacks the scope."""
        if scope not in self.scopes:
            raise missing_scope(self, scope)


def missing_scope(caller: Principal, scope: Scope) -> Forbidden:
    """The error for a caller without a scope; it names the roles that have it."""
    granting = ", ".join(role for role, granted in ROLES.items() if scope in granted)
    message = f"This needs the scope {scope!r}; the roles with it are {granting}."
    if not caller.scopes:
        message += " The token names no role and no scope of ours, and the deployment has no default role."
    return Forbidden(message, code="missing_scope", scope=scope)


def access_of(caller: Principal, owner: str, shares: Mapping[str, Access]) -> Access:
    """Return what a caller of the same organization may do with something of an owner's. An empty owner is
    nobody: it belongs to those who observe or manage."""
    if caller.may("conversations:manage") or (owner and owner == caller.id):
        return "own"
    shared = shares.get(caller.id, "none")
    return max(shared, "read" if caller.may("observe") else "none", key=_LEVELS.index)


def includes(access: Access, wanted: Access) -> bool:
    """Return whether a level of access includes another."""
    return _LEVELS.index(access) >= _LEVELS.index(wanted)


def role_table(more: str) -> dict[str, frozenset[str]]:
    """Return the roles with what a deployment adds to them, written `role=scope scope,role=scope`: scopes for
    a role that is there, or a role of its own. Raises `ValueError`."""
    table = dict(ROLES)
    for entry in filter(None, (part.strip() for part in more.split(","))):
        role, found, scopes = entry.partition("=")
        if not found or not role.strip() or not scopes.split():
            raise ValueError(f"ROLE_SCOPES must be role=scope scope,role=scope; {entry!r} is not.")
        table[role.strip()] = table.get(role.strip(), frozenset()) | set(scopes.split())
    return table


def grant(
    table: Mapping[str, frozenset[str]], named: frozenset[str], scopes: frozenset[str], default_role: str
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the roles and scopes of a caller whose token names these.

    Roles say what the user may do; scopes of ours then limit what the token's client may do in the user's
    name. Without a role of ours the scopes count as they are. A token that names neither has the default
    role."""
    limited = bool(scopes & SCOPES)
    if not named & table.keys():
        if limited or default_role == NO_ROLE:
            return named, scopes
        named |= {default_role}
    by_role = frozenset[str]().union(*(table.get(role, ()) for role in named))
    return named, by_role & scopes if limited else by_role
