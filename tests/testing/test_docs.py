"""Every snippet of docs/testing.md is a test that passes, in a project with the demo's `app/`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.aws import TEMPLATE

ROOT = TEMPLATE.parent


def test_snippets_of_the_guide_to_testing_pass(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "app", tmp_path / "app")
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL)
    assert len(snippets) == 3
    for number, snippet in enumerate(snippets):
        (tmp_path / f"test_snippet_{number}.py").write_text(snippet)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    run = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "4 passed" in run.stdout
