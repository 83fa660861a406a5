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
"""The scopes that each role grants: a customer uses agents; a member can also read everything of the
organization; an operator can also act on it; an admin can also change agents and manage the organization."""
NO_ROLE = "none"
"""The default role that grants nothing."""

Access = Literal["none", "read", "write", "own"]
"""A user's access to a conversation. Each level includes the ones before it. `write` allows sending,
live messages and stopping; `own` allows deleting and sharing."""
_LEVELS: tuple[Access, ...] = get_args(Access)


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller.

    `organization` is the beginning of every key in every table. `id` is the token's subject and `claims` are
    those about the user. `roles` are those that the token names, or the default one. `scopes` may include
    names that only the deployment's own tools use. `issued_ms` is the time at which the token was issued,
    which is compared with revocations; None for API keys, and if it was checked before.
    """

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
        """Raise `Forbidden` if the caller lacks the scope."""
        if scope not in self.scopes:
            raise missing_scope(self, scope)


def missing_scope(caller: Principal, scope: Scope) -> Forbidden:
    """Return the error for a caller without a scope. It names the roles that have the scope."""
    granting = ", ".join(role for role, granted in ROLES.items() if scope in granted)
    message = f"This needs the scope {scope!r}; the roles with it are {granting}."
    if not caller.scopes:
        message += (
            " The token has none of Millrace's roles and scopes, and the deployment has no default role."
        )
    return Forbidden(message, code="missing_scope", scope=scope)


def access_of(caller: Principal, owner: str, shares: Mapping[str, Access]) -> Access:
    """Return the access of a caller of the same organization to something with an owner. If the owner is
    empty, it belongs to those who observe or manage."""
    if caller.may("conversations:manage") or (owner and owner == caller.id):
        return "own"
    shared = shares.get(caller.id, "none")
    return max(shared, "read" if caller.may("observe") else "none", key=_LEVELS.index)


def includes(access: Access, wanted: Access) -> bool:
    """Return whether a level of access includes another one."""
    return _LEVELS.index(access) >= _LEVELS.index(wanted)


def role_table(more: str) -> dict[str, frozenset[str]]:
    """Return the roles with the deployment's additions, written `role=scope scope,role=scope`: more scopes
    for an existing role, or a new role. Raises `ValueError`."""
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
    """Return the roles and scopes of a caller from those in the token.

    Roles say what the user may do; our scopes in the token then limit what its client may do on behalf of the
    user. Without one of our roles, the scopes count by themselves. A token with neither has the default role.
    """
    limited = bool(scopes & SCOPES)
    if not named & table.keys():
        if limited or default_role == NO_ROLE:
            return named, scopes
        named |= {default_role}
    by_role = frozenset[str]().union(*(table.get(role, ()) for role in named))
    return named, by_role & scopes if limited else by_role
