"""The npm package as it is published: its contents, installation, types and size."""

import gzip
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from local.node import command, environment
from tests.sdk import PACKAGE, node

KB = 1024
BINARIES = PACKAGE / "node_modules" / ".bin"


def run(program: list[str], folder: Path = PACKAGE) -> str:
    """The output. Raises AssertionError with it if the program fails."""
    done = subprocess.run(program, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (PACKAGE / "dist" / "index.js").is_file():
        pytest.fail("The client is not built: make sdk/typescript/dist/index.js")
    folder = tmp_path_factory.mktemp("pack")
    run(command(["npm", "pack", "--silent", "--ignore-scripts", f"--pack-destination={folder}"]))
    (packed,) = folder.glob("*.tgz")
    return packed


def test_package_carries_its_docs_for_people_and_for_coding_agents(tarball: Path) -> None:
    with tarfile.open(tarball) as packed:
        names = {name.removeprefix("package/") for name in packed.getnames()}
        guide = packed.extractfile("package/llms.txt")
        assert guide is not None
        linked = set(re.findall(r"\]\((docs/[\w.-]+)\)", guide.read().decode()))
    assert {"README.md", "LICENSE", "docs/sdk-typescript.md", *linked} <= names
    assert len(linked) > 5
    assert not [name for name in names if name.startswith(("src/", "test/"))]


def test_package_passes_publint_and_the_check_of_its_types(tarball: Path) -> None:
    assert "All good!" in run([str(BINARIES / "publint"), "run", "--strict", str(tarball)])
    run([str(BINARIES / "attw"), str(tarball), "--profile", "esm-only", "--format", "json"])


IMPORTS = """
import { Millrace, RunReducer } from "@millrace/client";
import { SharedStream } from "@millrace/client/shared";
const kinds = [Millrace, RunReducer, SharedStream].map((one) => typeof one);
console.log(JSON.stringify(kinds));
"""


def test_package_installs_and_imports_in_a_clean_folder(tarball: Path, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    options = ["--prefer-offline", "--no-audit", "--no-fund", "--silent"]
    run(command(["npm", "install", *options, str(tarball)]), tmp_path)
    assert {path.name for path in (tmp_path / "node_modules").iterdir() if path.name[0] != "."} == {
        "@millrace",
        "eventsource-parser",
    }
    (tmp_path / "use.js").write_text(IMPORTS)
    assert run([*command(["node"]), "use.js"], tmp_path).startswith('["function","function","function"]')


@pytest.mark.parametrize("module", ["index", "shared/index"])
def test_package_imports_in_the_oldest_node(module: str) -> None:
    code = f"await import('{PACKAGE.as_uri()}/dist/{module}.js')"
    run([*node("20"), "--input-type=module", "--eval", code])


def compressed(code: str) -> int:
    """Bytes of a module with all that it needs of this package, minified and compressed."""
    entry = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--log-level=error"]
    apart = ["--external:eventsource-parser", "--external:react", "--external:*/shared/index.js"]
    done = subprocess.run(
        [str(BINARIES / "esbuild"), *entry, *apart],
        input=code,
        cwd=PACKAGE / "dist",
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return len(gzip.compress(done.stdout.encode(), 9))


def test_package_is_small() -> None:
    core = compressed('export { Millrace } from "./index.js"')
    react = compressed('export { Millrace } from "./index.js"; export * from "./react/index.js"')
    # Half a KB of it is what errors say: what is wrong, and what to do.
    assert core <= 6.5 * KB
    assert react <= 9.5 * KB
