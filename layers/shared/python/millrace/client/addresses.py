"""The addresses of the functions of a deployment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_FUNCTIONS = (
    ("voice", re.compile(r"/api/(voice|stream-tickets)(/|$)")),
    ("command_center", re.compile(r"/api/command-center/")),
    ("flows", re.compile(r"/api/flows(/|$)")),
    ("a2a", re.compile(r"/api/a2a/")),
    ("conversation", re.compile(r"/api/(conversations|runs|approvals|files|memories)(/|$)")),
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base URL of a deployment, and those of functions that have one of their own: `conversation`, `api`,
    `voice`, `command_center`, `flows`, `a2a`."""

    url: str
    functions: Mapping[str, str] = field(default_factory=dict)

    def of(self, path: str) -> str:
        """The base URL for a path."""
        function = next((name for name, paths in _FUNCTIONS if paths.match(path)), "api")
        return (self.functions.get(function) or self.url).rstrip("/")

    def absolute(self, url: str) -> str:
        """An address that an answer names: a whole one, or a path of this deployment."""
        return self.of(url) + url if url.startswith("/") else url
