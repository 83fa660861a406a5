"""A project created from the built wheel in its own folder: its tests, and what sam would build."""

import json
import os
import re
import subprocess
from importlib.metadata import PathDistribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from millrace.project.commands import COMMANDS, main
from millrace.project.files import ProjectError, stack_folder
from millrace.project.init import init, requirement
from tests.project.building import ROOT, build_site, millrace, python


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def shop(site: Path, tmp_path: Path) -> Path:
    assert "make run" in millrace(site, tmp_path, "init", "my-shop")
    return tmp_path / "my-shop"


class Installed(PathDistribution):
    """A package whose `direct_url.json` is this."""

    def __init__(self, origin: object) -> None:
        self._origin = origin

    version = "1.2"

    def read_text(self, filename: str | os.PathLike[str]) -> str | None:
        assert filename == "direct_url.json"
        return json.dumps(self._origin) if self._origin else None


WHEEL = "file:///tmp/dist/millrace-1.2-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "millrace[local]==1.2"),
        ({"url": WHEEL, "archive_info": {"hash": "sha256=1"}}, f"millrace[local] @ {WHEEL}"),
        ({"url": "file:///srv/millrace", "dir_info": {}}, "millrace[local] @ file:///srv/millrace"),
        (
            {"url": "https://example.com/millrace", "vcs_info": {"vcs": "git", "commit_id": "a1"}},
            "millrace[local] @ git+https://example.com/millrace@a1",
        ),
    ],
)
def test_new_project_requires_the_millrace_that_made_it(origin: object, expected: str) -> None:
    assert requirement(Installed(origin)) == expected
    assert Requirement(expected).name == "millrace"


def test_new_project_has_its_names_and_the_installed_version(shop: Path) -> None:
    assert f"millrace[local]=={version('millrace')}\n" in (shop / "requirements.txt").read_text()
    assert (shop / "app" / "my_shop" / "tools.py").exists()
    assert "from my_shop.tools import" in (shop / "app" / "my_shop" / "agents.py").read_text()
    left = [path for path in shop.rglob("*") if path.is_file() and "PACKAGE" in path.read_text() + str(path)]
    assert left == []
    assert (shop / ".gitignore").exists()


def test_tests_of_a_new_project_pass(site: Path, shop: Path) -> None:
    # The entry point of the plugin is that of the checkout, which the wheel shadows.
    run = python(site, shop, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout


def test_stack_of_the_wheel_takes_the_projects_code(site: Path, shop: Path) -> None:
    code = (
        "from pathlib import Path; from millrace.project.files import stack_folder; import sys;"
        "stack = stack_folder(); sys.path.insert(0, str(stack));"
        "from local.app import find_app; from local.template import read_template; import local.stack;"
        "from local.page_headers import page_headers; page_headers();"
        "read = read_template(stack / 'template.yaml', app=find_app(Path('app')));"
        "print(stack, *map(str, read.functions['ConversationFunction'].import_path()), sep='\\n')"
    )
    found = python(site, shop, "-c", code)
    assert found.returncode == 0, found.stderr
    stack, *paths = found.stdout.split()
    assert stack == str(site / "millrace" / "project" / "stack")
    assert str(shop / "app") in paths
    for name in ("emulator", "sam"):
        assert Path(millrace(site, shop, "requirements", name).strip()).is_file()


def test_sources_for_sam_have_functions_layers_and_the_installed_package(site: Path, shop: Path) -> None:
    code = (
        "from pathlib import Path; from millrace.project.files import stack_folder;"
        "from millrace.project.sources import write_sources;"
        "write_sources(stack_folder(), Path('sources'), Path('app'))"
    )
    assert python(site, shop, "-c", code).returncode == 0
    sources = shop / "sources"
    assert (sources / "functions" / "conversation" / "app.py").exists()
    assert (sources / "app" / "my_shop" / "tools.py").exists()
    assert os.access(sources / "layers" / "runtime" / "streaming-bootstrap", os.X_OK)
    shared = sources / "layers" / "shared" / "python"
    assert "pydantic==" in (shared / "requirements.txt").read_text()
    here = ROOT / "layers" / "shared" / "python" / "millrace"
    modules = {path.relative_to(here) for path in here.rglob("*.py")}
    assert modules == {path.relative_to(shared / "millrace") for path in (shared / "millrace").rglob("*.py")}
    assert not [path for path in (shared / "millrace").rglob("*") if path.suffix in (".md", ".html", ".yaml")]


def test_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "note").write_text("mine")
    with pytest.raises(ProjectError, match="not empty"):
        init(tmp_path / "shop")
    assert [one.name for one in (tmp_path / "shop").iterdir()] == ["note"]


def test_name_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="lowercase letters"):
        init(tmp_path / "My Shop")
    assert not (tmp_path / "My Shop").exists()


def test_checkout_is_a_stack_itself() -> None:
    assert stack_folder() == ROOT


def test_targets_of_a_new_project_are_commands_of_millrace(shop: Path) -> None:
    called = set(re.findall(r"\$\(MILLRACE\) ([a-z-]+)", (shop / "Makefile").read_text()))
    assert called >= {"run", "token", "build", "deploy", "first-user", "page", "destroy", "reattach"}
    assert called <= COMMANDS.keys()


def test_makefile_of_a_new_project_is_one(shop: Path) -> None:
    listed = subprocess.run(["make", "help"], cwd=shop, capture_output=True, text=True, check=True).stdout
    assert "destroy" in listed
    planned = subprocess.run(["make", "-n", "run"], cwd=shop, capture_output=True, text=True, check=True)
    assert "requirements emulator" in planned.stdout


ALONE = """
import sys
from importlib import util
GONE = ("typer", "samtranslator", "uvicorn", "watchfiles", "h11", "awslambdaric", "yaml", "rich")
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
find = util.find_spec
util.find_spec = lambda name, package=None: None if name in GONE else find(name, package)
from millrace.cli.entry import main
sys.argv = ["millrace", *sys.argv[1:]]
main()
"""
"""The console script where only Millrace itself is installed."""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["init", "other"], "cd other"),
        (["docs", "approval"], "approvals.md"),
        (["run"], "pip install 'millrace[local]'"),
        (["deploy"], "pip install 'millrace[local]'"),
        (["chat"], "pip install 'millrace[cli]'"),
    ],
)
def test_plain_installation_makes_projects_and_says_what_else_to_install(
    site: Path, shop: Path, command: list[str], expected: str
) -> None:
    done = python(site, shop, "-c", ALONE, *command)
    assert expected in done.stdout + done.stderr
    assert (done.returncode == 0) is (command[0] in ("init", "docs"))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["build", "deploy", "destroy", "first-user"])
def test_command_of_a_project_says_that_this_is_none(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 1
    assert "millrace init shop" in capsys.readouterr().err


def test_checkout_has_targets_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["build"]) == 1
    assert "make help" in capsys.readouterr().err
