"""A deployed stack, as CloudFormation describes it.

stack = find_stack(chosen_name(arguments))
stack.outputs["SiteUrl"]
"""

import argparse
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parent.parent
PROJECT = Path(os.environ.get("MILLRACE_PROJECT") or ROOT)
"""The folder that is deployed: this checkout, or a project that has Millrace as a dependency."""
CONFIG = PROJECT / "samconfig.toml"


class CloudError(RuntimeError):
    """A command that cannot continue; the message says why and what to do."""


@dataclass(frozen=True)
class Stack:
    """A stack, identified by its name, or by its id after it was deleted."""

    name: str
    cloudformation: Any

    @cached_property
    def _description(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return found

    @property
    def id(self) -> str:
        return str(self._description["StackId"])

    @property
    def status(self) -> str:
        return str(self._description["StackStatus"])

    @property
    def outputs(self) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self._description.get("Outputs", [])}

    @property
    def parameters(self) -> dict[str, str]:
        found = self._description.get("Parameters", [])
        return {one["ParameterKey"]: one.get("ParameterValue", "") for one in found}

    def resources(self) -> Iterator[dict[str, Any]]:
        """Each resource's `LogicalResourceId`, `PhysicalResourceId`, `ResourceType` and `ResourceStatus`."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        for page in pages:
            yield from page["StackResourceSummaries"]

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events of the resources, newest first, even if the stack was deleted."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
        for page in pages:
            yield from page["StackEvents"]


def find_stack(name: str, cloudformation: Any = None) -> Stack | None:
    """Return the stack with this name, if it exists. Raises `CloudError` if AWS cannot be reached."""
    try:
        stack = Stack(name, cloudformation or boto3.client("cloudformation"))
        return stack if stack.status != "DELETE_COMPLETE" else None
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise CloudError(f"CloudFormation refused the request: {error}") from error
    except BotoCoreError as error:
        raise CloudError(
            f"AWS cannot be reached: {error} Set AWS_PROFILE or keys, and AWS_REGION."
        ) from error


def require_stack(name: str) -> Stack:
    """Return the stack. Raises `CloudError` if there is none."""
    stack = find_stack(name)
    if stack is None:
        raise CloudError(f"There is no stack {name!r} in this account and region. Run `make deploy` first.")
    return stack


def parser_of(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments that all commands have.

    The region may also be in AWS_REGION, as in functions; boto3 only reads AWS_DEFAULT_REGION.
    """
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)
    parser = argparse.ArgumentParser(prog=f"python -m cloud.{program}", description=description)
    parser.add_argument(
        "--config-env", default="default", help="the section of samconfig.toml: default or prod"
    )
    parser.add_argument(
        "--stack-name", default="", help="the name of the stack, if it differs from samconfig.toml"
    )
    return parser


def chosen_name(chosen: argparse.Namespace) -> str:
    """Return the stack's name, from the arguments or samconfig.toml. Raises `CloudError`."""
    if chosen.stack_name:
        return str(chosen.stack_name)
    try:
        return str(tomllib.loads(CONFIG.read_text())[chosen.config_env]["global"]["parameters"]["stack_name"])
    except KeyError as error:
        raise CloudError(f"samconfig.toml has no stack_name in [{chosen.config_env}].") from error
