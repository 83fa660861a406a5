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
FRAMEWORKS = {"agents", "langchain_core", "langgraph", "pydantic_ai", "strands"}
BUDGETS = {
    "conversation": (950, HEAVY | {"httpx", "re2", "sentencex"}),
    "api": (1300, HEAVY - {"fastapi"}),
    "voice": (1000, HEAVY - {"lameenc"}),
    "command_center": (1000, HEAVY),
    "flows": (1100, HEAVY),
    "mcp": (1250, HEAVY - {"mcp", "uvicorn"}),  # the SDK looks for uvicorn itself
    "a2a": (1150, HEAVY | {"httpx", "re2", "sentencex"}),
    "webhooks": (1000, HEAVY),
}
_SCRIPT = (
    "import sys, json; sys.path.insert(0, sys.argv[1]); import app; print(json.dumps(sorted(sys.modules)))"
)


def imported(aws: Aws, name: str) -> set[str]:
    """The modules that the function's init imports."""
    logical_id = "".join(part.capitalize() for part in name.split("_")) + "Function"
    command = [sys.executable, "-c", _SCRIPT, str(ROOT / "functions" / name)]
    output = subprocess.run(
        command, env=aws.environment(logical_id), capture_output=True, text=True, check=True
    )
    return set(json.loads(output.stdout))


@pytest.mark.parametrize("name", BUDGETS)
def test_functions_init_stays_within_its_budget(aws: Aws, name: str) -> None:
    budget, forbidden = BUDGETS[name]
    modules = imported(aws, name)
    assert not (forbidden | FRAMEWORKS) & modules
    assert len(modules) <= budget


@pytest.mark.parametrize("name", ["transform", "record", "sweep", "change_capture"])
def test_functions_that_take_batches_together_do_not_pay_for_powertools_batch(aws: Aws, name: str) -> None:
    modules = imported(aws, name)
    assert "aws_lambda_powertools" in modules
    assert not modules & (HEAVY | {"aws_lambda_powertools.utilities.batch"})


def test_every_function_with_a_url_has_a_budget() -> None:
    assert {name for name, _ in url_functions()} == set(BUDGETS)
