"""Sizes of the built page: the first load, and the addition of each page."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.web.backend import DIST

FIRST_LOAD = 220_000
LAZY = 200_000
IMPORTS = re.compile(r"""(?:import|from)\s*["'](\./[^"']+\.js)["']""")
PAGES = (
    "ChatPage",
    "LivePage",
    "RunsPage",
    "RunPage",
    "AgentsPage",
    "AgentPage",
    "FlowsPage",
    "FlowPage",
    "PipelinesPage",
    "PipelinePage",
    "AlertsPage",
    "SettingsPage",
)


def test_every_page_has_a_limit() -> None:
    found = {path.stem[: -len("-12345678")] for path in (DIST / "assets").glob("*Page-????????.js")}
    assert found == set(PAGES)


def size(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 6))


def needed(script: Path) -> set[Path]:
    """A script with all that it imports before it runs."""
    found, left = {script}, [script]
    while left:
        for name in IMPORTS.findall(left.pop().read_text()):
            path = (script.parent / name).resolve()
            if path not in found:
                found.add(path)
                left.append(path)
    return found


@pytest.fixture(scope="module")
def first() -> set[Path]:
    page = (DIST / "index.html").read_text()
    [entry] = re.findall(r'<script[^>]*src="/(assets/[^"]+\.js)"', page)
    return needed((DIST / entry).resolve())


def test_first_load_is_small(first: set[Path]) -> None:
    page = (DIST / "index.html").read_text()
    styles = [DIST / path for path in re.findall(r'href="/(assets/[^"]+\.css)"', page)]
    assert sum(map(size, [*first, *styles])) <= FIRST_LOAD


@pytest.mark.parametrize("name", PAGES)
def test_page_adds_little(first: set[Path], name: str) -> None:
    """With everything that it needs before it is drawn; what it loads itself later counts by itself."""
    [script] = (DIST / "assets").glob(f"{name}-*.js")
    assert sum(map(size, needed(script.resolve()) - first)) <= LAZY


def test_later_parts_are_small(first: set[Path]) -> None:
    scripts = {path.resolve() for path in (DIST / "assets").glob("*.js")} - first
    assert {path.name: size(path) for path in scripts if size(path) > LAZY} == {}


def test_style_sheets_embed_no_fonts() -> None:
    """The content security policy allows fonts from files of the page only."""
    assert [path.name for path in (DIST / "assets").glob("*.css") if "data:font" in path.read_text()] == []
