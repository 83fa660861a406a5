"""The addresses of the functions of a deployment."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base URL of a deployment, and separate ones for paths with a prefix: {"/api/flows":
    "https://..."}."""

    url: str
    functions: Mapping[str, str] = field(default_factory=dict)

    def of(self, path: str) -> str:
        """Return the base URL for a path."""
        serving = [one for one in self.functions if path == one or path.startswith((f"{one}/", f"{one}?"))]
        own = self.functions[max(serving, key=len)] if serving else ""
        return (own or self.url).rstrip("/")

    def absolute(self, url: str) -> str:
        """Return the full address for one in an answer, which may be a path of this deployment."""
        return self.of(url) + url if url.startswith("/") else url
