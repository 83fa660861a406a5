"""`python -m local.troubleshooting`: renew the table of error codes in docs/troubleshooting.md.

Codes, statuses and meanings come from the code; the remedies are written in the document and kept. Needs the
development environment (`.venv`).
"""

import re
from collections.abc import Mapping
from pathlib import Path

from millrace.api.error_codes import ERROR_CODES

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "troubleshooting.md"
BEGIN, END = "<!-- codes -->\n", "<!-- end of codes -->\n"
MISSING = "TODO"
_ROW = re.compile(r"\| `(\w+)` \| \d+ \| [^|\n]* \| ([^|\n]*) \|")


def remedies(text: str) -> dict[str, str]:
    """Return the remedies in a document by code."""
    return {code: remedy.strip() for code, remedy in _ROW.findall(text)}


def table(found: Mapping[str, str]) -> str:
    """Return the table of all codes, by status."""
    rows = [
        f"| `{code}` | {one.status} | {one.meaning} | {found.get(code) or MISSING} |"
        for code, one in sorted(ERROR_CODES.items(), key=lambda item: (item[1].status, item[0]))
    ]
    return "\n".join(["| code | status | meaning | what to do |", "|---|---|---|---|", *rows, ""])


def renewed(text: str) -> str:
    """Return the document with a renewed table."""
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    return before + BEGIN + table(remedies(old)) + END + after


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text()))
