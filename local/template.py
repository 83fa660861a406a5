"""The project's SAM template for one machine, translated by AWS's own SAM translator.

Code and layers stay in their folders on disk. Their paths are translated as keys of a bucket that `deploy`
creates, so the translated functions still show where their code is.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

from local.app import LAYER, App
from local.template_yaml import parse_template

CODE_BUCKET = "code-on-this-machine"
QUEUE_CONCURRENCY = 4
"""Processes that a queue may start.

AWS begins with five and adds more slowly. For the first few messages the emulator would start all that the
template allows, each for a second of CPU and 70 MB.
"""
_NOT_PLAYED = frozenset(
    {
        "AWS::DSQL::Cluster",
        "AWS::Events::Archive",
        "AWS::Events::ApiDestination",
        "AWS::Events::Connection",
    }
)


class TemplateError(ValueError):
    """The template cannot be parsed or translated. The message names the problem and its location."""


@dataclass(frozen=True)
class FunctionSource:
    """Data that a deployed function does not have: the folder of its code, and the paths that it serves."""

    logical_id: str
    code: Path
    layers: tuple[Path, ...]
    routes: tuple[str, ...]

    def import_path(self) -> tuple[Path, ...]:
        """Return the folders that Lambda mounts as /opt/python.

        That is a layer's `python` folder, or the layer itself if sam builds that folder.
        """
        return tuple(layer / "python" if (layer / "python").is_dir() else layer for layer in self.layers)


@dataclass(frozen=True)
class Template:
    """A translated template. `left_out` are logical ids of resources that the emulator does not support."""

    body: dict[str, Any]
    functions: dict[str, FunctionSource]
    left_out: tuple[str, ...]

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(self.body.get("Parameters", {}))

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of resources of one CloudFormation type, by logical id."""
        resources = self.body["Resources"].items()
        return {name: one.get("Properties", {}) for name, one in resources if one["Type"] == kind}


def read_template(path: Path, region: str = "us-east-1", app: App | None = None) -> Template:
    """Return the template, including a project's own code. Raises `TemplateError` or `AppError`."""
    folder = path.resolve().parent
    raw = _parse(path)
    if app is not None:
        raw = app.merged(raw)
        raw["Resources"][LAYER]["Properties"]["ContentUri"] = str(app.folder)
    for properties in _with_code(raw):
        _point_to_bucket(properties, folder)
    body = _translate(raw, region)
    _limit_concurrency(body["Resources"])
    left_out = tuple(name for name, one in body["Resources"].items() if not _is_played(one))
    for name in left_out:
        del body["Resources"][name]
    return Template(body, _functions(body["Resources"]), left_out)


def _parse(path: Path) -> dict[str, Any]:
    try:
        raw = parse_template(path.read_text())
    except Exception as error:  # the parser's errors have no common base
        raise TemplateError(f"{path} cannot be read: {error}") from error
    if not isinstance(raw, dict) or not raw.get("Resources"):
        raise TemplateError(f"{path} has no Resources.")
    return raw


def _with_code(raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
    globals_ = raw.get("Globals", {}).get("Function", {})
    yield from (one.get("Properties", {}) for one in raw["Resources"].values())
    yield globals_


def _point_to_bucket(properties: dict[str, Any], folder: Path) -> None:
    for key in ("CodeUri", "ContentUri"):
        if isinstance(properties.get(key), str):
            properties[key] = f"s3://{CODE_BUCKET}{(folder / properties[key]).resolve()}"


def path_of(key: str) -> Path:
    """Return the path on disk that a key of the bucket stands for."""
    return Path("/", key)


def _translate(raw: dict[str, Any], region: str) -> dict[str, Any]:
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region  # the translator has no other way to set it
    try:
        translated: dict[str, Any] = transform(raw, {}, SimpleNamespace(load=dict))
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise TemplateError(f"The SAM template is not valid: {causes}") from error
    finally:
        _put_back("AWS_DEFAULT_REGION", before)
    return translated


def _limit_concurrency(resources: dict[str, Any]) -> None:
    for one in resources.values():
        if one["Type"] == "AWS::Lambda::EventSourceMapping" and "ScalingConfig" in one["Properties"]:
            scaling = one["Properties"]["ScalingConfig"]
            wanted = scaling["MaximumConcurrency"]
            # a parameter, as in our template
            known = wanted if isinstance(wanted, int) else QUEUE_CONCURRENCY
            scaling["MaximumConcurrency"] = min(known, QUEUE_CONCURRENCY)


def _is_played(resource: dict[str, Any]) -> bool:
    """Return False for resources that the emulator rejects, and for alarms computed from several metrics."""
    computed = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return resource["Type"] not in _NOT_PLAYED and not computed


def _put_back(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _functions(resources: dict[str, Any]) -> dict[str, FunctionSource]:
    found = {}
    for name, one in resources.items():
        if one["Type"] == "AWS::Lambda::Function":
            code = path_of(one["Properties"]["Code"]["S3Key"])
            layers = tuple(_layers(one["Properties"], resources))
            routes = tuple(one.get("Metadata", {}).get("Routes", ()))
            found[name] = FunctionSource(name, code, layers, routes)
    return found


def _layers(properties: dict[str, Any], resources: dict[str, Any]) -> Iterator[Path]:
    """Yield the layers that the template itself builds; those named by ARN are in AWS."""
    for layer in properties.get("Layers", ()):
        resource = resources.get(layer.get("Ref", "")) if isinstance(layer, dict) else None
        if resource:
            yield path_of(resource["Properties"]["Content"]["S3Key"])
