"""`make reattach`: create a stack from what `make destroy` has kept. `make deploy` then adds everything else.

CloudFormation imports resources into a new stack only with a template that contains nothing else, so this one
has only the tables, buckets and user pool of the project's template.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3

from cloud.kept import POOL, Kept, file_of, noted
from cloud.stack import PROJECT, ROOT, CloudError, chosen_name, find_stack, parser_of
from local.app import find_app
from local.template import read_template

IDENTIFIERS = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Cognito::UserPool": "UserPoolId",
}
_OF_POOL = {"AWS::Cognito::UserPoolClient": "ClientId", "AWS::Cognito::UserPoolGroup": "GroupName"}


def identifier(one: Kept, pool: str) -> dict[str, str]:
    """Return the identifier by which CloudFormation imports a resource."""
    if one.type in _OF_POOL:
        return {"UserPoolId": pool, _OF_POOL[one.type]: one.name.rpartition("|")[2]}
    return {IDENTIFIERS[one.type]: one.name}


def imports(kept: list[Kept]) -> list[dict[str, Any]]:
    """Return the `ResourcesToImport` of the change set."""
    pool = next((one.name for one in kept if one.type == POOL), "")
    return [
        {
            "ResourceType": one.type,
            "LogicalResourceId": one.logical_id,
            "ResourceIdentifier": identifier(one, pool),
        }
        for one in kept
    ]


def reduced(body: dict[str, Any], kept: list[Kept]) -> dict[str, Any]:
    """Return the template reduced to these resources, with all of its parameters and conditions."""
    wanted = {one.logical_id for one in kept}
    unknown = wanted - body["Resources"].keys()
    if unknown:
        raise CloudError(
            f"The template has no {', '.join(sorted(unknown))}: use the version that created them."
        )
    resources = {name: one for name, one in body["Resources"].items() if name in wanted}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": body["Parameters"],
        "Conditions": body["Conditions"],
        "Resources": {name: _without_metadata(one) for name, one in resources.items()},
    }


def _without_metadata(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the resource without what SAM adds. Stateful resources refer only to each other."""
    kept = {key: value for key, value in resource.items() if key != "Metadata"}
    return {**kept, "DeletionPolicy": "Retain"}


def main(arguments: list[str]) -> int:
    parser = parser_of("reattach", __doc__)
    parser.add_argument("--kept", type=Path, help="the file written by `make destroy`")
    chosen = parser.parse_args(arguments)
    try:
        name = chosen_name(chosen)
        if find_stack(name):
            raise CloudError(
                f"The stack {name!r} already exists. Choose another --stack-name, or destroy it first."
            )
        kept = noted(chosen.kept or file_of(name))
        reattach(boto3.client("cloudformation"), name, kept)
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{name} has its {len(kept)} resources again. Run `make deploy` to add everything else.")
    return 0


def reattach(cloudformation: Any, name: str, kept: list[Kept]) -> None:
    """Import the resources into a new stack."""
    body = reduced(read_template(ROOT / "template.yaml", app=find_app(PROJECT / "app")).body, kept)
    change = {"StackName": name, "ChangeSetName": "reattach"}
    cloudformation.create_change_set(
        **change,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps(body, separators=(",", ":")),
        ResourcesToImport=imports(kept),
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("change_set_create_complete").wait(**change)
    cloudformation.execute_change_set(**change)
    cloudformation.get_waiter("stack_import_complete").wait(StackName=name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
