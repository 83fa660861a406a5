"""A project that is made of the built wheel, in a folder of its own: its tests, and what sam would build."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from millrace.project.files import ProjectError, stack_folder
from millrace.project.init import init
from tests.aws import TEMPLATE

ROOT = TEMPLATE.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contents of the wheel, as they are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        for one in archive.infolist():
            # As pip does, and zipfile does not: what was executable stays so.
            Path(archive.extract(one, site)).chmod(one.external_attr >> 16)
    return site


def python(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder, with the wheel in the place of this checkout."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture
def shop(site: Path, tmp_path: Path) -> Path:
    made = python(site, tmp_path, "-m", "millrace.project", "init", "my-shop")
    assert made.returncode == 0, made.stderr
    assert "make run" in made.stdout
    return tmp_path / "my-shop"


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
    assert (
        python(site, shop, "-m", "millrace.project", "emulator-requirements")
        .stdout.strip()
        .endswith("requirements-emulator.txt")
    )


def test_sources_for_sam_have_functions_layers_and_the_installed_version(site: Path, shop: Path) -> None:
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
    locked = (sources / "layers" / "shared" / "python" / "requirements.txt").read_text()
    assert locked.endswith(f"millrace=={version('millrace')}\n")
    assert "--hash" not in locked
    assert "pydantic==" in locked


def test_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "note").write_text("mine")
    with pytest.raises(ProjectError, match="not empty"):
        init(tmp_path / "shop")
    assert [one.name for one in (tmp_path / "shop").iterdir()] == ["note"]


def test_name_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="small letters"):
        init(tmp_path / "My Shop")
    assert not (tmp_path / "My Shop").exists()


def test_checkout_is_a_stack_itself() -> None:
    assert stack_folder() == ROOT
