"""`millrace deploy`, `destroy` and the like in a project use the project's own files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.ministack import MiniStack
from millrace.project.init import init
from tests.project.building import ROOT

ACCOUNT = "000000000951"
SAM = """#!/bin/sh
printf '%s\\n' "$PWD" "$@" > sam-was-asked
exit 7
"""
"""In the place of the SAM CLI, which is not what is tested: it tells what it was asked, and fails."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    init(folder)
    sam = folder / ".venv-sam" / "bin" / "sam"
    sam.parent.mkdir(parents=True)
    sam.write_text(SAM)
    sam.chmod(0o755)
    return folder


@pytest.fixture
def account(ministack: MiniStack) -> dict[str, str]:
    arguments = ministack.client_arguments(ACCOUNT)
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": arguments["region_name"],
    }


def millrace(shop: Path, account: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "millrace.cli", *arguments]
    return subprocess.run(command, cwd=shop, env=account, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "environment"), [([], "default"), (["--config-env", "prod", "--guided"], "prod")]
)
def test_deploy_asks_the_projects_sam_in_the_project(
    shop: Path, account: dict[str, str], arguments: list[str], environment: str
) -> None:
    done = millrace(shop, account, "deploy", *arguments)
    assert done.returncode == 7, done.stderr
    folder, *asked = (shop / "sam-was-asked").read_text().splitlines()
    assert folder == str(shop)
    assert asked[:3] == ["deploy", "--config-env", environment]
    assert ("--guided" in asked) is ("--guided" in arguments)


@pytest.mark.parametrize(
    "command", [["destroy", "--yes"], ["first-user", "--email", "a@example.com"], ["page"]]
)
def test_command_looks_for_the_stack_that_the_project_names(
    shop: Path, account: dict[str, str], command: list[str]
) -> None:
    for given, name in (([], "shop-dev"), (["--config-env", "prod"], "shop")):
        done = millrace(shop, account, *command, *given)
        assert done.returncode == 1
        assert (
            f"There is no stack {name!r} in this account and region. Run `make deploy` first." in done.stderr
        )


def test_build_says_that_sam_is_missing(shop: Path, tmp_path: Path) -> None:
    (shop / ".venv-sam" / "bin" / "sam").unlink()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3.13").symlink_to(sys.executable)
    done = millrace(shop, {"PATH": str(programs)}, "build")
    assert (done.returncode, "`make build` installs it" in done.stderr) == (1, True)
    done = millrace(shop, {"PATH": str(tmp_path)}, "build")
    assert (done.returncode, "python3.13" in done.stderr) == (1, True)


def test_template_that_is_built_has_the_projects_table(shop: Path) -> None:
    from millrace.project.sources import write_sources

    fragment = (shop / "app" / "template.yaml").read_text().replace("# ", "").partition("Resources:")[2]
    (shop / "app" / "template.yaml").write_text(f"Resources:{fragment}")
    sources = shop / "sources"
    write_sources(ROOT, sources, shop / "app")
    command = [sys.executable, "-m", "local.app", "template.yaml", "template.app.json"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    subprocess.run(command, cwd=sources, env=environment, check=True)
    resources = json.loads((sources / "template.app.json").read_text())["Resources"]
    assert resources["OrdersTable"]["Type"] == "AWS::DynamoDB::Table"
    assert resources["AppLayer"]["Properties"]["ContentUri"] == ".aws-sam/app"
    variables = resources["ConversationFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["APP_PACKAGES"] == "shop"
