"""The imports of each function's init, counted rather than timed.

Users pay for cold starts, so each function has a budget of modules and a list of modules that it must not
import.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.aws import Aws
from tests.template_functions import url_functions

ROOT = Path(__file__).parent.parent
HEAVY = {"fastapi", "mcp", "openai", "anthropic", "sqlalchemy", "av", "lameenc", "rich", "uvicorn", "moto"}
FRAMEWORKS = {"agents", "langchain_core", "langgraph", "pydantic_ai", "strands"}
BUDGETS = {
    "conversation": (740, HEAVY | {"botocore.session", "httpx", "re2", "sentencex"}),
    "api": (980, HEAVY - {"fastapi"}),
    "voice": (700, HEAVY - {"lameenc"}),
    "command_center": (650, HEAVY),
    "flows": (810, HEAVY),
    "mcp": (1110, HEAVY - {"mcp", "uvicorn"}),  # the SDK looks for uvicorn itself
    "a2a": (820, HEAVY | {"httpx", "re2", "sentencex"}),
    "webhooks": (710, HEAVY | {"botocore.session"}),
}
MOST_DATA_CLASSES = 12
"""Each costs an init 0.4 ms, where a struct of msgspec costs 10 us."""
_SCRIPT = """
import sys, json
sys.path.insert(0, sys.argv[1])
import app
ours = [one for name, one in sys.modules.items() if name.startswith("millrace.")]
data_classes = {
    f"{found.__module__}.{found.__name__}"
    for one in ours for found in vars(one).values()
    if isinstance(found, type) and found.__module__ == one.__name__ and "__dataclass_fields__" in vars(found)
}
wire = sys.modules.get("millrace.domain.wire")
kinds = [wire.WireModel] if wire else []
for kind in kinds:
    kinds += kind.__subclasses__()
built = [one.__name__ for one in kinds if one.__pydantic_complete__]
print(json.dumps([sorted(sys.modules), sorted(data_classes), built]))
"""


class Init(NamedTuple):
    """The modules that a function's init imports, our data classes among them, and the pydantic models that
    it builds.

    Each model takes several milliseconds to build.
    """

    modules: set[str]
    data_classes: list[str]
    built: list[str]


def init_of(aws: Aws, name: str) -> Init:
    logical_id = "".join(part.capitalize() for part in name.split("_")) + "Function"
    command = [sys.executable, "-c", _SCRIPT, str(ROOT / "functions" / name)]
    output = subprocess.run(
        command, env=aws.environment(logical_id), capture_output=True, text=True, check=True
    )
    modules, data_classes, built = json.loads(output.stdout)
    return Init(set(modules), data_classes, built)


@pytest.mark.parametrize("name", BUDGETS)
def test_functions_init_stays_within_its_budget(aws: Aws, name: str) -> None:
    budget, forbidden = BUDGETS[name]
    found = init_of(aws, name)
    assert not (forbidden | FRAMEWORKS) & found.modules
    assert len(found.modules) <= budget
    assert len(found.data_classes) <= MOST_DATA_CLASSES, found.data_classes
    assert name == "api" or found.built == []  # FastAPI takes models only when they are built


@pytest.mark.parametrize("name", ["transform", "record", "sweep", "change_capture"])
def test_functions_that_take_batches_together_do_not_pay_for_powertools_batch(aws: Aws, name: str) -> None:
    found = init_of(aws, name)
    assert len(found.data_classes) <= MOST_DATA_CLASSES, found.data_classes
    assert "aws_lambda_powertools" in found.modules
    assert not found.modules & (HEAVY | {"aws_lambda_powertools.utilities.batch"})


def test_every_function_with_a_url_has_a_budget() -> None:
    assert {name for name, _ in url_functions()} == set(BUDGETS)
