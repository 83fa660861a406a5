"""Secrets of an agent's servers in a file: references, whose values the server stores.

An existing value is kept (`[hidden]`), because it cannot be compared. It is written if the header is new, if
the server moved to another origin, or if all secrets are to be written again.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from millrace.cli.configuration.errors import Path
from millrace.cli.configuration.files import SERVERS, is_secret
from millrace.cli.configuration.references import References, replaced
from millrace.domain.agents import HIDDEN

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerSecrets:
    """Fills in the secrets of one agent. `current` is the agent as the server shows it."""

    references: References
    current: Json | None
    again: bool = False

    def filled(self, body: Json) -> Json:
        """Return the body to send. Raises `MissingReference`."""
        found: Json = replaced(body, lambda path, text: self._text(body, path, text))
        return found

    def _text(self, body: Json, path: Path, text: str) -> str:
        if not is_secret(("agents", "", *path), text):
            return text
        if self.again or not self._is_stored(body, path):
            return self.references.resolved(text)
        return f"{text.partition('?')[0]}?{HIDDEN}" if path[2] == "url" else HIDDEN

    def _is_stored(self, body: Json, path: Path) -> bool:
        field, at = str(path[0]), path[1]
        server = body[field][at]
        known = [one for one in (self.current or {}).get(field, ()) if one.get("name") == server.get("name")]
        if not known or _origin(known[0]) != _origin(server):
            return False
        if path[2] == "url":
            return "?" in str(known[0]["url"])
        return str(path[3]).lower() in {name.lower() for name in known[0].get("headers", {})}


def referring(key: str, settings: Json) -> Json:
    """Return an agent's settings with references for hidden values, such as `${env.CLERK_DOCS_X_KEY}`."""

    def text(path: Path, text: str) -> str:
        if not path or path[0] not in SERVERS or HIDDEN not in text:
            return text
        names = [key, settings[path[0]][path[1]]["name"], "query" if path[2] == "url" else path[3]]
        name = "_".join("".join(c if c.isalnum() and c.isascii() else "_" for c in str(one)) for one in names)
        return text.replace(HIDDEN, f"${{env.{name.upper().lstrip('0123456789')}}}")

    found: Json = replaced(settings, text)
    return found


def _origin(server: Json) -> tuple[str, str]:
    parts = urlsplit(str(server.get("url", "")))
    return parts.scheme, parts.netloc.lower()
