"""Extensions: features of other installed packages, found by their entry points.

    [project.entry-points."millrace.destinations"]
    acme = "acme_millrace:destination"

Packages are searched only when a name is used that is not one of ours, or a list of all is requested. An
extension that cannot be loaded affects only those who use it: `Extension.problem` says why.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Point = Literal["destinations", "sources", "providers", "speech_engines", "expression_functions"]
POINTS: tuple[Point, ...] = get_args(Point)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


class Extension(Struct, frozen=True):
    """An extension under the name of its entry point. `package` has its name and version. `value` is what the
    entry point refers to, or None with a `problem`."""

    point: Point
    name: str
    package: str
    value: Any = None
    problem: str = ""

    def failed(self, problem: str) -> "Extension":
        """Return the extension marked as unusable."""
        return Extension(self.point, self.name, self.package, None, problem)


@cache
def names(point: Point) -> tuple[str, ...]:
    """Return the names of the installed extensions of a kind."""
    return tuple(sorted(_entry_points(point)))


@cache
def extension(point: Point, name: str) -> Extension | None:
    """Load an extension; return None if there is none with this name."""
    found = _entry_points(point).get(name)
    if not found:
        return None
    packages = sorted({_package(one) for one in found})
    made = Extension(point, name, packages[0])
    if len(packages) > 1:
        return made.failed(f"Several packages have this name ({', '.join(packages)}); uninstall all but one.")
    if not _NAME.fullmatch(name):
        return made.failed("A name has 1 to 32 of A-Z a-z 0-9 _ -, and begins with a letter.")
    try:
        return Extension(point, name, packages[0], found[0].load())
    except Exception as error:  # whatever another package's import raises
        return made.failed(f"It cannot be loaded: {type(error).__name__}: {error}"[:500])


def all_extensions() -> list[Extension]:
    """Return every installed extension."""
    found = (extension(point, name) for point in POINTS for name in names(point))
    return [one for one in found if one]


def forget() -> None:
    """Search again at the next use, because packages were installed."""
    for cached in (names, extension, _entry_points):
        cached.cache_clear()


@cache
def _entry_points(point: Point) -> "dict[str, list[EntryPoint]]":
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for one in entry_points(group=f"millrace.{point}"):
        found.setdefault(one.name, []).append(one)
    return found


def _package(found: "EntryPoint") -> str:
    return f"{found.dist.name} {found.dist.version}" if found.dist else found.value
