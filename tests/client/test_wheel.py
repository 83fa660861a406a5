"""The wheel: its contents for coding agents, and the dependencies of a program that only calls the API."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = (
    "annotated_types anyio certifi h11 httpcore httpx idna millrace msgspec orjson pydantic pydantic_core"
    " sniffio typing_extensions typing_inspection"
).split()
"""What `pip install httpx pydantic orjson msgspec` installs, and the product itself."""


def pages() -> set[str]:
    """The pages for users: records of decisions are for those who work on the code."""
    found = subprocess.run(
        ["git", "ls-files", "docs/*.md", "docs/pipelines/*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {path for path in found.stdout.split() if not path.startswith("docs/adr/")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=100)
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as found:
        yield found


def test_wheel_has_the_docs_for_coding_agents(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {f"millrace/{page}" for page in pages()} <= names
    assert {"millrace/llms.txt", "millrace/docs/openapi.json", "millrace/py.typed"} <= names


def test_wheel_has_the_command_and_only_the_product(wheel: zipfile.ZipFile) -> None:
    [entries] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "millrace = millrace.cli.entry:main" in wheel.read(entries).decode()
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"millrace", "streaming_runtime"}


def test_index_for_coding_agents_leads_to_pages_that_are_there() -> None:
    links = re.findall(r"\]\((docs/[^)]+)\)", (ROOT / "llms.txt").read_text())
    assert set(links) <= pages() | {"docs/openapi.json"}
    assert len(set(links)) == len(links) > 25


def test_client_needs_no_other_packages_than_its_page_says() -> None:
    script = f"""
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        known = top in {NEEDED!r} or top in sys.stdlib_module_names or top.startswith("_")
        if path is None and not known:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Refuse())
from millrace.client import AsyncClient, Client
client = Client("http://localhost", "token")
for name in dir(type(client)):
    getattr(client, name)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (ROOT / "docs" / "sdk-python.md").read_text()
    assert "pip install httpx pydantic orjson msgspec" in page


def test_command_without_its_extra_says_what_to_install() -> None:
    script = "import sys; sys.modules['typer'] = None; from millrace.cli.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'millrace[cli]'" in done.stderr
