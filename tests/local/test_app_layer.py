"""The layer with a project's own code: its sources, and the packages that are left out."""

import json
from pathlib import Path

import pytest

from local import artifact
from local.app_layer import layer_requirements, pins, write_layer
from tests.aws import TEMPLATE

PRODUCT = TEMPLATE.parent / "layers" / "shared" / "python" / "requirements.txt"


def test_extra_of_millrace_becomes_what_it_needs() -> None:
    lines = [
        "# tools",
        "httpx>=0.28",
        "millrace[langgraph,strands]>=0.1  # a graph",
        "-r more.txt",
        "millrace",
    ]
    written = list(layer_requirements(lines))
    assert written[:2] == lines[:2]
    assert {one.partition(">")[0] for one in written[2:-1]} == {"langgraph", "strands-agents"}
    assert written[-1] == "-r more.txt"


@pytest.mark.parametrize(
    "line", ["millrace[local] @ file:///tmp/millrace-0.1.0-py3-none-any.whl", "Millrace"]
)
def test_millrace_itself_is_not_installed_into_the_layer(line: str) -> None:
    assert not [one for one in layer_requirements([line]) if "millrace" in one.lower()]


def test_versions_are_those_of_the_product_without_hashes() -> None:
    found = pins(PRODUCT.read_text())
    assert any(one.startswith("pydantic==") for one in found)
    assert not [one for one in found if "hash" in one or "\\" in one]
    assert len(found) == sum(1 for line in PRODUCT.read_text().splitlines() if "==" in line.partition("#")[0])


def test_sources_of_the_layer_are_the_code_with_its_requirements(tmp_path: Path) -> None:
    app, target = tmp_path / "app", tmp_path / "built" / "app"
    (app / "shop" / "__pycache__").mkdir(parents=True)
    (app / "shop" / "tools.py").write_text("")
    (app / "requirements.txt").write_text("millrace[pydantic-ai]\n")
    for _ in range(2):  # what an earlier build has left is replaced
        write_layer(app, PRODUCT, target)
    assert sorted(one.name for one in (target / "shop").iterdir()) == ["tools.py"]
    first, *rest = (target / "requirements.txt").read_text().splitlines()
    assert first == "-c constraints.txt"
    assert [one.partition(">")[0] for one in rest] == ["pydantic-ai-slim"]
    assert "pydantic==" in (target / "constraints.txt").read_text()
    assert (app / "requirements.txt").read_text() == "millrace[pydantic-ai]\n"


def installed(layer: Path, name: str, version: str) -> Path:
    """A package as pip leaves it."""
    package, info = layer / "python" / name, layer / "python" / f"{name}-{version}.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("x = 1")
    record = f"{name}/__init__.py,sha256=a,5\n../../bin/{name},,\n{info.name}/RECORD,,\n"
    (info / "RECORD").write_text(record)
    return package / "__init__.py"


def test_package_of_the_product_is_not_in_the_layer_again(tmp_path: Path) -> None:
    kept = installed(tmp_path / artifact.PRODUCT_LAYER, "same", "1.0")
    again = installed(tmp_path / "AppLayer", "same", "1.0")
    added = installed(tmp_path / "AppLayer", "more", "1.0")
    artifact.drop_doubles(tmp_path)
    assert (kept.exists(), again.exists(), added.exists()) == (True, False, True)
    assert sorted(one.name for one in again.parents[1].glob("*.dist-info")) == ["more-1.0.dist-info"]


def test_function_that_lambda_would_refuse_for_its_size_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Layers": [{"Ref": "AppLayer"}, "arn:aws:lambda:::layer"]},
    }
    layer = {"Type": "AWS::Serverless::LayerVersion", "Properties": {}}
    other = {"Type": "AWS::Serverless::Function", "Properties": {}}
    shared = {"Function": {"Layers": [{"Ref": "SharedLayer"}]}}
    resources = {"Chat": function, "Other": other, "AppLayer": layer, "SharedLayer": layer}
    (tmp_path / "template.yaml").write_text(json.dumps({"Globals": shared, "Resources": resources}))
    for name in resources:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 100)
    monkeypatch.setattr(artifact, "MOST_BYTES", 300)
    assert artifact.oversized(tmp_path) == []
    monkeypatch.setattr(artifact, "MOST_BYTES", 299)
    (error,) = artifact.oversized(tmp_path)
    assert error.startswith("Chat has")
    assert "SharedLayer, AppLayer" in error
