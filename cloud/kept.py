"""The resources that a deleted stack leaves behind: tables, buckets and the user pool."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from cloud.stack import CloudError, Stack

TABLE, BUCKET, POOL = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool"
KEPT = "DELETE_SKIPPED"


@dataclass(frozen=True)
class Kept:
    """A retained resource: its id in the template and its name in AWS."""

    logical_id: str
    name: str
    type: str


def kept_of(stack: Stack) -> list[Kept]:
    """Return what was retained when the stack was deleted, or when its creation was rolled back."""
    kept = {
        one["LogicalResourceId"]: Kept(
            one["LogicalResourceId"], one["PhysicalResourceId"], one["ResourceType"]
        )
        for one in stack.events()
        if one["ResourceStatus"] == KEPT and one.get("PhysicalResourceId")
    }
    return sorted(kept.values(), key=lambda one: one.logical_id)


def file_of(stack_name: str) -> Path:
    """Return the file in which `make destroy` lists what it keeps, for `make reattach`."""
    return Path(f"kept-{stack_name}.json")


def note(path: Path, kept: Iterable[Kept]) -> None:
    path.write_text(json.dumps([asdict(one) for one in kept], indent=2) + "\n")


def noted(path: Path) -> list[Kept]:
    """Return the resources that a file lists. Raises `CloudError` if it does not exist."""
    if not path.is_file():
        raise CloudError(
            f"{path} does not exist. It is written by `make destroy`; name another file with --kept."
        )
    return [Kept(**one) for one in json.loads(path.read_text())]


def delete_for_good(kept: Iterable[Kept]) -> list[str]:
    """Delete the tables, buckets and user pools among these with their contents, and return their names.

    Groups and clients are deleted with their pool."""
    deleting = {TABLE: _delete_table, BUCKET: _delete_bucket, POOL: _delete_pool}
    done = []
    for one in kept:
        if one.name and (delete := deleting.get(one.type)):
            delete(one.name)
            done.append(one.name)
    return done


def _delete_table(name: str) -> None:
    dynamodb = boto3.client("dynamodb")
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)


def _delete_bucket(name: str) -> None:
    s3 = boto3.client("s3")
    empty_bucket(s3, name)
    s3.delete_bucket(Bucket=name)


def _delete_pool(name: str) -> None:
    cognito = boto3.client("cognito-idp")
    cognito.update_user_pool(UserPoolId=name, DeletionProtection="INACTIVE")
    cognito.delete_user_pool(UserPoolId=name)


def empty_bucket(s3: Any, name: str) -> None:
    """Delete all objects of a bucket, a thousand at a time."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        if objects := [{"Key": one["Key"]} for one in page.get("Contents", [])]:
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})


def delete_keys(stack_name: str) -> None:
    """Delete the keys of the stack's secrets, which the functions created."""
    ssm = boto3.client("ssm")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(
        Path=f"/millrace/{stack_name}", Recursive=True
    )
    for page in pages:
        for one in page["Parameters"]:
            ssm.delete_parameter(Name=one["Name"])
