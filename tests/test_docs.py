"""The documentation: every page is in the index, links lead somewhere, and no error code lacks a remedy."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from local.troubleshooting import DOCUMENT, MISSING, remedies, renewed

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKED = ROOT / "sdk" / "typescript" / "README.md"
"""Links to the docs that its package carries."""
PAGES = sorted({*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/*/README.md")} - {PACKED})
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its code."""
    return _FENCE.sub("", page.read_text())


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        kept = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        found.add(next(name for n in range(100) if (name := f"{kept}-{n}" if n else kept) not in found))
    return frozenset(found)


def broken(page: Path) -> Iterator[str]:
    for link in _LINK.findall(prose(page)):
        path, _, anchor = unquote(link).partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{link}: there is no {path}"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{link}: {target.name} has no heading for #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(index))}
    pages = {page for page in PAGES if DOCS in page.parents and "adr" not in page.parts}
    assert pages - linked - {index} == set()


def test_every_error_code_has_its_remedy() -> None:
    text = DOCUMENT.read_text()
    assert renewed(text) == text, "run .venv/bin/python -m local.troubleshooting, and fill in what is missing"
    assert [code for code, remedy in remedies(text).items() if remedy in ("", MISSING)] == []
