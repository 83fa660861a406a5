"""A project's own code, `app/`: its packages, its fragment of the template, the AWS services that it calls.

python -m local.app template.yaml template.app.json     # what `make build` hands to sam

    app/template.yaml    Services, Environment, Policies (of every function that runs agents),
                         Parameters, Conditions, Resources and Outputs
    app/requirements.txt packages to install into the layer
    app/<package>/       modules with tools and agents
"""

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.app_layer import write_layer
from local.template_yaml import parse_template

PACKAGES_VARIABLE, SERVICES_VARIABLE = "APP_PACKAGES", "APP_SERVICES"
LAYER = "AppLayer"
FRAGMENT = "template.yaml"
LAYER_SOURCES = ".aws-sam/app"
"""The sources from which sam builds the layer, next to the template."""
_PRODUCT_PACKAGES = "layers/shared/python/requirements.txt"
RUN_AGENTS = (
    "ConversationFunction",
    "ContinueRunsFunction",
    "A2aFunction",
    "ApiFunction",
    "FlowsFunction",
    "McpFunction",
    "NotifyTasksFunction",
)
"""The functions that run agents, or list what agents can be made of."""
_SECTIONS = ("Parameters", "Conditions", "Resources", "Outputs")
_KEYS = frozenset({*_SECTIONS, "Services", "Environment", "Policies"})

Json = dict[str, Any]


class AppError(ValueError):
    """`app/` cannot be used. The message names the problem and its location."""


@dataclass(frozen=True)
class App:
    """The project's code in a folder.

    `services` are those that it names, in its fragment or with `boto3.client`.
    """

    folder: Path
    packages: tuple[str, ...]
    fragment: Json = field(default_factory=dict)
    services: tuple[str, ...] = ()

    def merged(self, template: Json, sources: str = "") -> Json:
        """Return the template with the layer and the fragment's additions. Raises `AppError`.

        `sources` are those of the layer, if not the folder itself.
        """
        merged: Json = json.loads(json.dumps(template))
        for section in _SECTIONS:
            _add(merged.setdefault(section, {}), self.fragment.get(section, {}), section)
        merged["Resources"][LAYER] = self._layer(sources or self.folder.name)
        for name in RUN_AGENTS:
            if name in merged["Resources"]:
                self._give(merged["Resources"][name]["Properties"])
        return {name: value for name, value in merged.items() if value != {}}

    def _layer(self, sources: str) -> Json:
        return {
            "Type": "AWS::Serverless::LayerVersion",
            "Metadata": {"BuildMethod": "python3.13", "BuildArchitecture": "arm64"},
            "Properties": {
                "Description": "The deployment's own tools and agents",
                "ContentUri": sources,
                "CompatibleRuntimes": ["python3.13"],
                "CompatibleArchitectures": ["arm64"],
                "RetentionPolicy": "Delete",
            },
        }

    def _give(self, function: Json) -> None:
        function.setdefault("Layers", []).append({"Ref": LAYER})
        function.setdefault("Policies", []).extend(self.fragment.get("Policies", []))
        variables = function.setdefault("Environment", {}).setdefault("Variables", {})
        own = self.fragment.get("Environment", {}) | {PACKAGES_VARIABLE: ",".join(self.packages)}
        if self.services:
            own[SERVICES_VARIABLE] = ",".join(self.services)
        _add(variables, own, "Environment")


def find_app(folder: Path) -> App | None:
    """Return the code in a folder, or None if there is none. Raises `AppError`."""
    folder = folder.resolve()
    packages = tuple(sorted(one.parent.name for one in folder.glob("*/__init__.py")))
    if not packages:
        return None
    fragment = _read(folder / FRAGMENT)
    named = {*fragment.get("Services", []), *(one for name in packages for one in _called(folder / name))}
    return App(folder, packages, fragment, tuple(sorted(named)))


def _read(path: Path) -> Json:
    if not path.exists():
        return {}
    try:
        fragment = parse_template(path.read_text()) or {}
    except Exception as error:  # the parser's errors have no common base
        raise AppError(f"{path} cannot be read: {error}") from error
    unknown = sorted(fragment.keys() - _KEYS) if isinstance(fragment, dict) else ["a list"]
    if unknown:
        raise AppError(f"{path} may have {', '.join(sorted(_KEYS))}; not {', '.join(unknown)}.")
    return fragment


def _add(known: Json, new: Json, section: str) -> None:
    if taken := sorted(known.keys() & new.keys()):
        raise AppError(
            f"app/{FRAGMENT}: {section} has {', '.join(taken)}, which the template has already; "
            "choose other names."
        )
    known.update(new)


def _called(package: Path) -> Iterator[str]:
    """Yield the services that a package names in calls of `client` and `resource`, as in boto3."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if node.func.attr in ("client", "resource") and isinstance(first, ast.Constant):
                    yield str(first.value)


def main(arguments: list[str]) -> int:
    """Write a template that includes the code in the folder next to it, and the sources of its layer."""
    template, target = Path(arguments[0]), Path(arguments[1])
    root = template.resolve().parent
    try:
        app, written = find_app(root / "app"), parse_template(template.read_text())
        if app:
            write_layer(app.folder, root / _PRODUCT_PACKAGES, root / LAYER_SOURCES)
            written = app.merged(written, LAYER_SOURCES)
        target.write_text(json.dumps(written, indent=1))  # JSON is YAML
    except (AppError, SyntaxError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
