"""The guides for contributors and coding agents name existing files, functions and targets."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "layers" / "shared" / "python" / "millrace"
GUIDES = ["CONTRIBUTING.md", "AGENTS.md", "docs/glossary.md"]
FOUND_IN = (ROOT, PACKAGE)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_REFERENCE = re.compile(r"(?P<path>[\w.-]+(?:/[\w.-]+)*/?)(?::(?P<name>[A-Za-z_][\w.]*))?")
_MADE = {".venv", ".venv-emulator", ".venv-sam", "web/node_modules", "web/dist"}


def references(guide: str) -> Iterator[tuple[str, str]]:
    """Each path in code spans with the name in it, or an empty one. A path has a slash or a known ending."""
    for span in _CODE.findall((ROOT / guide).read_text()):
        found = _REFERENCE.fullmatch(span)
        if found and ("/" in found["path"] or found["path"].endswith((".py", ".md", ".yaml"))):
            yield found["path"], found["name"] or ""


def located(path: str) -> Path | None:
    return next((folder / path for folder in FOUND_IN if (folder / path).exists()), None)


def defines(file: Path, name: str) -> bool:
    """Return whether a file defines `Class.method`, a function, a class or a constant."""
    body: list[ast.stmt] = ast.parse(file.read_text()).body
    for part in name.split("."):
        found = next((node for node in body if part in names_of(node)), None)
        if found is None:
            return False
        body = getattr(found, "body", [])
    return True


def names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("guide", GUIDES)
def test_guide_names_existing_files(guide: str) -> None:
    missing = []
    for path, name in references(guide):
        file = located(path)
        if path not in _MADE and (file is None or (name and not defines(file, name))):
            missing.append(f"{path}:{name}" if name else path)
    assert missing == []


def test_contributor_guide_names_more_than_40_definitions() -> None:
    assert sum(bool(name) for _, name in references("CONTRIBUTING.md")) > 40


@pytest.mark.parametrize("guide", ["CONTRIBUTING.md", "AGENTS.md"])
def test_guide_names_targets_of_make(guide: str) -> None:
    text = (ROOT / guide).read_text()
    named = set(re.findall(r"(?:^|`)make (?:-s )?([a-z][a-z-]+)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named - targets == set()


@pytest.mark.parametrize("guide", [*GUIDES, "README.md"])
def test_links_of_guide_lead_somewhere(guide: str) -> None:
    file = ROOT / guide
    links = re.findall(r"\]\(([^)#\s]+)", file.read_text())
    assert [link for link in links if "://" not in link and not (file.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("file", "name", "expected"),
    [
        ("domain/runs.py", "INJECTION_TTL_MS", True),
        ("api/auth.py", "Authenticator.__call__", True),
        ("api/auth.py", "Authenticator.nothing", False),
        ("api/auth.py", "Nobody", False),
    ],
)
def test_defines_finds_the_names_of_a_file(file: str, name: str, expected: bool) -> None:
    assert defines(PACKAGE / file, name) is expected
