"""Cut the output of `sam build` to what Lambda needs: `python -m local.artifact .aws-sam/build`.

A layer is loaded on every cold start and counts toward a function's 250 MB. botocore ships the models of 400
services, of which we call a dozen and the project's code a few. Some packages ship sources of C extensions.
Everything is then compiled, because /opt and /var/task are read-only and imports without .pyc take three
times as long. A plain `sam build` also works; it is only larger and starts more slowly.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from local.app import LAYER, SERVICES_VARIABLE
from local.template_yaml import parse_template
from millrace.stores.aws import FOR_CREDENTIALS, SERVICES

PRODUCT_LAYER = "SharedLayer"
MOST_BYTES = 250 * 1024 * 1024
"""The limit for a function with all of its layers, unzipped:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
USELESS = (
    "boto3/examples",
    "pycparser",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui",
    "certifi/tests",
    "jsonschema/tests",
    "jsonschema_specifications/tests",
    "referencing/tests",
)
# suffixes, or names such as pip's list of a package's files
USELESS_FILES = (".c", ".h", ".pyi", ".pyx", "RECORD")


def trim(build: Path) -> int:
    """Remove unused files from every layer and function, and return the bytes saved."""
    before = size(build)
    drop_doubles(build)
    kept = SERVICES | FOR_CREDENTIALS | named_services(build / "template.yaml")
    for data in [*build.glob("**/botocore/data"), *build.glob("**/boto3/data")]:
        for model in data.iterdir():
            if model.is_dir() and model.name not in kept:
                shutil.rmtree(model)
    for name in USELESS:
        for folder in build.glob(f"**/{name}"):
            shutil.rmtree(folder)
    for path in build.rglob("*"):
        if (path.suffix or path.name) in USELESS_FILES and path.is_file():
            path.unlink()
    return before - size(build)


def drop_doubles(build: Path) -> None:
    """Remove packages from the layer of the project's code that the product's layer also has.

    The build constrains both to the same versions.
    """
    own, product = build / LAYER / "python", build / PRODUCT_LAYER / "python"
    for package in own.glob("*.dist-info"):
        if (product / package.name).is_dir():
            with (package / "RECORD").open(newline="") as record:
                for path, *_ in csv.reader(record):
                    if ".." not in Path(path).parts:  # scripts, which layers do not have
                        (own / path).unlink(missing_ok=True)
            shutil.rmtree(package, ignore_errors=True)


def oversized(build: Path) -> list[str]:
    """Return an error for each function that is too large for Lambda."""
    template = parse_template((build / "template.yaml").read_text())
    shared = template.get("Globals", {}).get("Function", {}).get("Layers", [])
    sizes = {part.name: size(part) for part in build.iterdir() if part.is_dir()}
    errors = []
    for name, one in template["Resources"].items():
        named = (*shared, *one.get("Properties", {}).get("Layers", []))
        # Layers of other accounts, which a project may add by their ARN, have no folder here.
        layers = [layer["Ref"] for layer in named if isinstance(layer, dict) and layer.get("Ref") in sizes]
        if one["Type"] == "AWS::Serverless::Function":
            total = sum(sizes.get(part, 0) for part in (name, *layers))
            if total > MOST_BYTES:
                errors.append(
                    f"{name} has {total / 2**20:.0f} MB with its layers ({', '.join(layers)}); Lambda takes "
                    f"at most {MOST_BYTES / 2**20:.0f} MB. Leave packages out of app/requirements.txt."
                )
    return errors


def named_services(template: Path) -> set[str]:
    """Return the services that a deployment's own code names in addition to ours."""
    if not template.exists():
        return set()
    resources = parse_template(template.read_text())["Resources"].values()
    given = (one.get("Properties", {}).get("Environment", {}).get("Variables", {}) for one in resources)
    return {name for one in given for name in str(one.get(SERVICES_VARIABLE, "")).split(",") if name}


def size(folder: Path) -> int:
    """Return the size in bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def compile_all(build: Path, python: str) -> None:
    """Compile with the Lambda runtime's Python. The files contain no times, so that copies stay valid."""
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(build)]
    subprocess.run(command, check=True)


def gather_layers(build: Path) -> list[str]:
    """Copy the layers that sam does not build to the output, where they are compiled.

    The template is changed to refer to the copies. Return their ids.
    """
    path = build / "template.yaml"
    template: dict[str, Any] = parse_template(path.read_text())
    copied = []
    for name, one in template["Resources"].items():
        source = build / str(one.get("Properties", {}).get("ContentUri", ""))
        if one["Type"] == "AWS::Serverless::LayerVersion" and build.resolve() not in source.resolve().parents:
            shutil.copytree(source, build / name, ignore=shutil.ignore_patterns("__pycache__"))
            one["Properties"]["ContentUri"] = name
            copied.append(name)
    path.write_text(json.dumps(template, indent=1))  # JSON is YAML
    return copied


def main(arguments: list[str]) -> int:
    """Gather, trim, compile, and print the size of each part. Fail if Lambda would refuse a function."""
    build, python = Path(arguments[0]), arguments[1]
    gather_layers(build)
    saved = trim(build)
    compile_all(build, python)
    for part in sorted(path for path in build.iterdir() if path.is_dir()):
        print(f"{size(part) / 1e6:6.1f} MB  {part.name}")
    print(f"{saved / 1e6:6.1f} MB  saved")
    errors = oversized(build)
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
