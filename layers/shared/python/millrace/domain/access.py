"""Who calls, and what they may do."""

from dataclasses import dataclass
from typing import Literal, get_args

from millrace.errors import Forbidden

Scope = Literal["chat", "observe", "pipelines:read", "pipelines:write", "agents:write", "voice"]
SCOPES: frozenset[str] = frozenset(get_args(Scope))


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `organization` starts every key of every table."""

    organization: str
    subject: str
    scopes: frozenset[str] = SCOPES

    def require(self, scope: Scope) -> None:
        """Raises `Forbidden` when the caller lacks the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope!r}.", code="missing_scope", scope=scope)
