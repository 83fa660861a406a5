"""Tools that a server offers and an agent does not get, with the reason."""

from msgspec import Struct, field

NAMED = 20


class LeftOut(Struct):
    """Tools of one server that are left out for one reason."""

    server: str
    reason: str
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        named = ", ".join(self.names[:NAMED])
        more = f" and {len(self.names) - NAMED} more" if len(self.names) > NAMED else ""
        return f"Left out of the tools of the MCP server {self.server}: {named}{more}. Reason: {self.reason}."
