"""The examples of docs/sdk-python.md run as they stand, against the running stack."""

import re
from pathlib import Path
from typing import Any

from tests.stack import RunningStack

PAGE = (Path(__file__).parents[2] / "docs" / "sdk-python.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_examples_of_the_page_run(stack: RunningStack, capsys: Any) -> None:
    """One after the other, as a reader would try them; so they are one test."""
    names: dict[str, Any] = {"token": stack.token("sdk-python")}
    try:
        for number, snippet in enumerate(SNIPPETS, 1):
            code = snippet.replace("http://localhost:8080", stack.url)
            exec(compile(code, f"docs/sdk-python.md, example {number}", "exec"), names)
    finally:
        names["client"].close()
    shown = capsys.readouterr().out
    for wanted in ("Tokens used:", "6 * 7 = 42", "['demo', 'echo']", "stopped", "Pay it.", "run:completed"):
        assert wanted in shown, wanted
    assert len(SNIPPETS) >= 11
