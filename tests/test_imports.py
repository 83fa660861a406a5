"""The imports of each function's init: users pay for cold starts, so each function has a budget of
modules and a list of modules that it must not import. Counted, not timed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.template_functions import url_functions

ROOT = Path(__file__).parent.parent
HEAVY = {"fastapi", "mcp", "openai", "anthropic", "sqlalchemy", "av", "lameenc", "rich", "uvicorn", "moto"}
BUDGETS = {
    "conversation": (950, HEAVY | {"httpx", "re2", "sentencex"}),
    "api": (1300, HEAVY - {"fastapi"}),
    "voice": (1000, HEAVY - {"lameenc"}),
    "command_center": (1000, HEAVY),
    "flows": (1100, HEAVY),
    "webhooks": (1000, HEAVY),
}
_SCRIPT = (
    "import sys, json; sys.path.insert(0, sys.argv[1]); import app; print(json.dumps(sorted(sys.modules)))"
)


@pytest.mark.parametrize("name", BUDGETS)
def test_functions_init_stays_within_its_budget(aws: Aws, name: str) -> None:
    budget, forbidden = BUDGETS[name]
    logical_id = "".join(part.capitalize() for part in name.split("_")) + "Function"
    command = [sys.executable, "-c", _SCRIPT, str(ROOT / "functions" / name)]
    output = subprocess.run(
        command, env=aws.environment(logical_id), capture_output=True, text=True, check=True
    )
    modules = json.loads(output.stdout)
    assert not forbidden & set(modules)
    assert len(modules) <= budget


def test_every_function_with_a_url_has_a_budget() -> None:
    assert {name for name, _ in url_functions()} == set(BUDGETS)
