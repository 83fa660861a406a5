"""The decision records in docs/adr."""

import re
from collections import Counter
from pathlib import Path

RECORDS = sorted((Path(__file__).parent.parent / "docs" / "adr").glob("*.md"))


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = Counter(record.name[:4] for record in RECORDS)
    assert numbers
    assert [number for number, times in numbers.items() if times > 1] == []


def test_decisions_have_the_number_of_their_file() -> None:
    for record in RECORDS:
        heading = re.match(r"# (\d+)\. ", record.read_text())
        assert heading, record.name
        assert int(heading[1]) == int(record.name[:4]), record.name
