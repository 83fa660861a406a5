"""Files stay short enough to read in one go: one idea each."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_LINES = 300


def test_files_are_not_longer_than_300_lines() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "functions/*.py", "layers/*.py", "local/*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lengths = {
        name: len((ROOT / name).read_text().splitlines())
        for name in listed.stdout.splitlines()
        if (ROOT / name).exists()
    }
    assert len(lengths) > 400
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
