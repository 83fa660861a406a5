"""The run that writes docs/benchmarks.md finishes, whatever fails in it."""

import importlib
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.bench import _report, side_by_side
from tests.bench._curves import picture
from tests.bench._peers import ROOT

ROWS = {"millrace": {"first_token_ms": 12.0, "version": "1"}, "relay": {"failed": "it does not start"}}


def test_the_page_names_what_could_not_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_report, "PAGE", tmp_path / "page.md")
    _report.write_page({"answers": {"found": ROWS}, "streams": {"failed": "took longer than 9 s"}})
    page = (tmp_path / "page.md").read_text()
    assert "| millrace | 12.0 |" in page
    assert "**relay** could not be measured: it does not start" in page
    assert "`streams` is missing here: took longer than 9 s" in page
    assert "`growth` is missing here: not measured yet" in page


def test_parts_have_what_the_run_asks_for() -> None:
    parts = [importlib.import_module(f"tests.bench.parts.{name}") for name in _report.PARTS]
    assert all(part.MOST_SECONDS > 0 and part.measure and part.section for part in parts)


def test_a_part_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = (sys.executable, "-c", "import threading; threading.Event().wait()")
    monkeypatch.setattr(side_by_side, "ONE_PART", hangs)
    assert "took longer" in side_by_side._measured("starts", 1.0)["failed"]


def test_a_part_without_time_left_is_not_begun() -> None:
    assert "over its time" in side_by_side._measured("starts", 0.5)["failed"]


def test_a_part_that_fails_says_why() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench._part", "unknown"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert "No module named" in json.loads(ended.stdout)["failed"]


def test_a_run_that_broke_goes_on_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in side_by_side.SHORTENED:
        monkeypatch.delenv(name, raising=False)
    begun: list[str] = []
    pages: list[set[str]] = []

    def measured(name: str, _seconds_left: float) -> dict[str, object]:
        begun.append(name)
        return {"found": {}} if name != "b" or begun.count("b") > 1 else {"failed": "for once"}

    monkeypatch.setattr(side_by_side, "KEPT", tmp_path / "kept" / "results.json")
    monkeypatch.setattr(side_by_side, "PARTS", ("a", "b", "c"))
    monkeypatch.setattr(side_by_side, "_measured", measured)
    monkeypatch.setattr(side_by_side, "write_page", lambda results: pages.append(set(results)))
    side_by_side.measure()
    assert begun == ["a", "b", "c"]
    side_by_side.measure()
    assert begun == ["a", "b", "c", "b"]
    assert pages[-1] == {"a", "b", "c"}
    side_by_side.measure()  # all was measured: a new run
    assert begun[4:] == ["a", "b", "c"]


def test_curves_are_drawn_as_valid_svg() -> None:
    drawn = ET.fromstring(
        picture([("CPU of a token, by streams, us", [30.0, 29.0, 3000.0]), ("none, ms", [0, 0, 0])])
    )
    assert len(drawn.findall(".//{*}circle")) == 6


def test_page_names_no_path_of_the_machine_that_measured() -> None:
    assert "`/" not in (ROOT / "docs/benchmarks.md").read_text()
