"""The decision records in docs/adr."""

import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
NUMBERS = Counter(int(record.name[:4]) for record in RECORDS)


def test_decisions_have_unique_numbers() -> None:
    assert NUMBERS
    assert [number for number, times in NUMBERS.items() if times > 1] == []


def test_decisions_have_the_number_of_their_file() -> None:
    for record in RECORDS:
        heading = re.match(r"# (\d+)\. ", record.read_text())
        assert heading, record.name
        assert int(heading[1]) == int(record.name[:4]), record.name


def test_decisions_have_a_status_and_three_sections() -> None:
    for record in RECORDS:
        text = record.read_text()
        assert re.search(r"^Status: \w+, \d{4}-\d\d-\d\d$", text, re.MULTILINE), record.name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], (
            record.name
        )


def test_numbers_that_the_readme_calls_unused_have_no_decision() -> None:
    unused = re.search(r"numbers (\d+) to (\d+) were never used", (FOLDER / "README.md").read_text())
    assert unused
    assert NUMBERS.keys() & set(range(int(unused[1]), int(unused[2]) + 1)) == set()


def test_decisions_named_in_texts_exist() -> None:
    """Links are checked by test_docs; these are numbers in prose and in comments."""
    found = subprocess.run(
        ["git", "grep", "-hoE", r"\bADR [0-9]+", "--", ":!docs/adr/README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    named = {int(name.removeprefix("ADR ")) for name in found.stdout.splitlines()}
    assert named
    assert named - NUMBERS.keys() == set()
