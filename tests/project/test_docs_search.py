"""`millrace docs`: the documentation is searched without a server."""

from pathlib import Path

import pytest

from millrace.project.changes import announce, between, message
from millrace.project.commands import main
from millrace.project.docs import MOST, run, search
from tests.project.building import ROOT

DOCS = ROOT / "docs"
CHANGELOG = """# Changelog

## [Unreleased]
- Not yet.

## [1.10.0] - 2026-12-01
### Added
- Ten.

## [1.9.0] - 2026-11-01
- Nine.

## [1.8.0] - 2026-10-01
- Eight.
"""


@pytest.mark.parametrize(
    ("words", "page"),
    [
        (["upgrades"], "own-code.md"),
        (["rewind"], "durability.md"),
        (["live", "message"], "conversations.md"),
        (["idempotency", "repeat"], "own-code.md"),
        (["APPROVALS"], "approvals.md"),
    ],
)
def test_search_finds_the_page_that_explains_a_word(words: list[str], page: str) -> None:
    found = search(DOCS, words)
    assert page in [one.page for one in found]
    assert len(found) <= MOST
    for one in found:
        text = f"{one.heading} {one.text}".lower()
        assert all(word.lower() in text for word in words)


def test_sections_begin_where_they_say() -> None:
    for one in search(DOCS, ["durable"]):
        line = (DOCS / one.page).read_text().splitlines()[one.line - 1]
        assert one.heading == one.page or line.lstrip("# ") == one.heading


def test_command_prints_places_pages_and_the_index(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "dead", "letters"]) == 0
    assert f"{DOCS}/pipelines/" in capsys.readouterr().out
    assert main(["docs", "own-code"]) == 0
    assert capsys.readouterr().out.startswith("# Your own tools and agents")
    assert main(["docs", "CHANGELOG"]) == 0
    assert capsys.readouterr().out.startswith("# Changelog")
    assert main(["docs"]) == 0
    assert "concepts.md" in capsys.readouterr().out


def test_command_says_what_it_takes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(tmp_path, ["--help"]) == 0
    assert "millrace docs approvals" in capsys.readouterr().out


def test_command_says_that_nothing_is_found_and_stays_in_its_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["docs", "xyzzyx"]) == 1
    assert "fewer words" in capsys.readouterr().err
    assert main(["docs", "../AGENTS"]) == 1


def test_changes_are_those_between_two_versions() -> None:
    assert between(CHANGELOG, "1.8.0", "1.10.0").splitlines()[0] == "1.10.0"
    assert "Nine" in between(CHANGELOG, "1.8.0", "1.10.0")
    assert "Eight" not in between(CHANGELOG, "1.8.0", "1.10.0")
    assert between(CHANGELOG, "1.9.0", "1.9.0") == ""
    assert between(CHANGELOG, "1.10.0", "1.8.0") == ""
    assert "the changelog says nothing" in message("1.10.0", "1.8.0", CHANGELOG).lower()


def test_changes_are_announced_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announce(tmp_path)
    assert capsys.readouterr().out == ""
    (tmp_path / ".local" / "millrace-version").write_text("0.0.1\n")
    announce(tmp_path)
    assert "it was 0.0.1" in capsys.readouterr().out
    announce(tmp_path)
    assert capsys.readouterr().out == ""
