"""Third-party packages that a test installs: modules and metadata in a folder on the path."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path

from millrace import extensions
from millrace.pipelines.definitions.extensions import model_with

GUIDE = Path(__file__).parents[2] / "docs" / "extensions.md"


@contextmanager
def installed(
    folder: Path, name: str, code: str, points: Mapping[str, Mapping[str, str]], version: str = "1.2"
) -> Iterator[None]:
    """Install a package `name` with one module. `points` are its entry points by group and name."""
    module = name.replace("-", "_")
    site = folder / f"site-{name}"
    info = site / f"{module}-{version}.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = (f"[millrace.{group}]\n" + _lines(named) for group, named in points.items())
    (info / "entry_points.txt").write_text("\n".join(groups))
    sys.path.insert(0, str(site))
    look_again()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        sys.modules.pop(module, None)
        look_again()


def _lines(named: Mapping[str, str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in named.items())


def look_again() -> None:
    """Forget the known extensions, like a new process."""
    invalidate_caches()
    extensions.forget()
    model_with.cache_clear()


@contextmanager
def acme(folder: Path) -> Iterator[None]:
    """Install the package of docs/extensions.md as written there."""
    guide = GUIDE.read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL))
    project = re.search(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert project
    points: dict[str, dict[str, str]] = {}
    found = re.findall(r'entry-points\."millrace\.(\w+)"\]\n(\w+) = "([\w:]+)"', project[1])
    for group, name, value in found:
        points.setdefault(group, {})[name] = value
    with installed(folder, "acme-millrace", code, points):
        yield
