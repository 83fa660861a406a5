"""Creates projects: an `app/` with a tool and an agent, their tests, and a Makefile that runs the stack."""

import json
import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

from millrace.project.files import ProjectError

STARTER = Path(__file__).resolve().parent / "starter"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


def init(folder: Path, shown: str = "") -> str:
    """Write a new project into a folder, whose name becomes the project's. Return what to do next, naming the
    folder as it was given. Raises `ProjectError`, and writes nothing, if the folder is not empty."""
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise ProjectError(
            f"{name!r} must consist of lowercase letters, digits and -, and begin with a letter."
        )
    if folder.exists() and any(folder.iterdir()):
        raise ProjectError(f"{folder} is not empty; choose a new folder.")
    package = name.replace("-", "_")
    for source in sorted(one for one in STARTER.rglob("*") if one.is_file()):
        target = folder / _named(str(source.relative_to(STARTER)), package)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(source.read_text(), name, package))
    shown = shown or str(folder)
    return f"{shown} is made. Next:\n  cd {shown}\n  make test\n  make run"


def _named(path: str, package: str) -> str:
    """Return the path in the project. The starter's code has another suffix, so that no tool treats it as
    ours."""
    return path.removesuffix(".txt").replace("PACKAGE", package).replace("dot-", ".")


def _filled(text: str, name: str, package: str) -> str:
    known = {"PACKAGE": package, "PROJECT": name, "REQUIREMENT": requirement(distribution("millrace"))}
    return re.sub("|".join(known), lambda found: known[found[0]], text)


def requirement(installed: Distribution) -> str:
    """Return the requirement for the installed Millrace: its version or, if it was not installed from a
    package index, its origin according to its `direct_url.json` (PEP 610)."""
    package = "millrace[local]"
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if not origin:
        return f"{package}=={installed.version}"
    if repository := origin.get("vcs_info"):
        return f"{package} @ {repository['vcs']}+{origin['url']}@{repository['commit_id']}"
    return f"{package} @ {origin['url']}"
