"""docs/tutorial.md, followed to the letter: each file is written as shown, into a new project."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.app import find_app
from local.template import read_template
from millrace.project.init import init
from tests.aws import TEMPLATE
from tests.project.building import follow_tutorial, tutorial_files

CHECK = """
from millrace.cli.configuration.files import read_files
from millrace.cli.configuration.references import References
from millrace.domain.agents import AgentSettings
from millrace.domain.flows import FlowSettings
from millrace.pipelines.definitions.definition import parse_definition
from millrace.services.flows.checks import check_flow
from millrace.services.runs.agent_tools import check_tools
from millrace.services.runs.own_code import load_checked
import sys
sys.path.insert(0, "app")
load_checked("shop")
found = read_files(["app"], References({"MILLRACE_URL": "http://localhost:9000"}.get))
for one in found.of("agents"):
    check_tools(AgentSettings.model_validate(one.body).tool_names)
for one in found.of("flows"):
    check_flow(FlowSettings.model_validate(one.body), 3600)
for one in found.of("pipelines"):
    assert one.body.pop("state") == "running"  # which apply takes out, and starts the pipeline
    parse_definition(one.body)
print(len(found.wanted), "checked")
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tutorial") / "shop"
    init(folder)
    assert len(tutorial_files()) == 8
    follow_tutorial(folder)
    return folder


def python(folder: Path, *arguments: str) -> str:
    run = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_tests_of_the_tutorial_pass(shop: Path) -> None:
    assert "5 passed" in python(shop, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_configuration_of_the_tutorial_is_what_the_server_takes(shop: Path) -> None:
    assert python(shop, "-c", CHECK).strip() == "3 checked"


def test_fragment_of_the_tutorial_deploys_with_the_stack(shop: Path) -> None:
    template = read_template(TEMPLATE, app=find_app(shop / "app"))
    assert "OrdersTable" in template.of_type("AWS::DynamoDB::Table")
