"""The examples of docs/frameworks.md."""

import re
from pathlib import Path
from typing import Any


def example(section: str) -> dict[str, Any]:
    """Run the example of a section; its names."""
    guide = (Path(__file__).parents[2] / "docs" / "frameworks.md").read_text()
    (found,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", guide, re.DOTALL | re.MULTILINE)
    (code,) = re.findall(r"```python\n(.*?)```", found, re.DOTALL)
    names: dict[str, Any] = {"__name__": "guide"}
    exec(code, names)
    return names
