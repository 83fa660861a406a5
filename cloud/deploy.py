"""`make deploy`: run sam deploy, upload the page, and print what to do next, without asking anything.

python -m cloud.deploy [--config-env prod] [arguments of sam deploy]
"""

import subprocess
import sys
from collections.abc import Callable, Sequence

import boto3

from cloud.kept import delete_for_good, kept_of
from cloud.stack import PROJECT, CloudError, Stack, chosen_name, find_stack, parser_of, require_stack
from cloud.website import upload

SAM = PROJECT / ".venv-sam" / "bin" / "sam"
BROKEN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")
"""States of a stack whose creation failed, which CloudFormation cannot update."""
NEW_ACCOUNT = 10
EXAMPLE_MODEL = "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"

Run = Callable[[Sequence[str]], int]


def main(arguments: list[str], run: Run = subprocess.call) -> int:
    chosen, for_sam = parser_of("deploy", __doc__).parse_known_args(arguments)
    try:
        name = chosen_name(chosen)
        command = [str(SAM), "deploy", "--config-env", chosen.config_env]
        command += ["--stack-name", chosen.stack_name] if chosen.stack_name else []
        if (before := find_stack(name)) and before.status in BROKEN:
            remove_broken(before, name)
        if status := run([*command, *for_sam]):
            return status
        stack = require_stack(name)
        if wanted := own_address(stack):
            print(f"Deploying again, to pass the address {wanted} to the functions ...")
            again = [*without_overrides(for_sam), "--parameter-overrides", f"PublicUrl={wanted}"]
            if status := run([*command, *again]):
                return status
            stack = require_stack(name)
        if "WebBucketName" in stack.outputs:
            upload(stack, boto3.client("s3"), boto3.client("cloudfront"))
        print(next_steps(stack, _concurrency()))
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def remove_broken(stack: Stack, name: str) -> None:
    """Delete a stack whose creation failed, with the empty tables and buckets that it retained."""
    if stack.status != "REVIEW_IN_PROGRESS":
        print(f"The last creation of {name} failed ({stack.status}). Deleting what is left of it ...")
    gone = Stack(stack.id, stack.cloudformation)
    delete_for_good(kept_of(gone))
    stack.cloudformation.delete_stack(StackName=gone.name)
    stack.cloudformation.get_waiter("stack_delete_complete").wait(StackName=gone.name)


def own_address(stack: Stack) -> str:
    """Return the address that the functions do not know yet: CloudFront assigns it after they exist."""
    return "" if stack.parameters.get("PublicUrl") else stack.outputs.get("SiteUrl", "")


def without_overrides(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `sam deploy` without the parameters, which the stack already has."""
    kept: list[str] = []
    skipping = False
    for argument in arguments:
        if argument.startswith("-"):
            skipping = argument.partition("=")[0] == "--parameter-overrides"
        if not skipping:
            kept.append(argument)
    return kept


def _concurrency() -> int:
    limits = boto3.client("lambda").get_account_settings()["AccountLimit"]
    return int(limits["ConcurrentExecutions"])


def next_steps(stack: Stack, concurrency: int) -> str:
    """Return what to do next, depending on what is deployed."""
    outputs = stack.outputs
    lines = ["", f"Deployed: {outputs.get('SiteUrl') or outputs['ConversationUrl']}", ""]
    if "UserPoolId" in outputs:
        lines += [
            "Create an admin and get a token:",
            '  make first-user ARGS="--email you@example.com"',
        ]
    if any((PROJECT / "app").glob("*.yaml")):
        lines += [
            "Apply the files in app/ (docs/configuration.md), as an admin of their organization:",
            f"  MILLRACE_URL={outputs.get('SiteUrl', '...')} MILLRACE_TOKEN=... .venv/bin/millrace apply app",
        ]
    if "SiteUrl" not in outputs:
        lines += ["Open the page from this machine:", "  make page"]
    if stack.parameters.get("DefaultModel", "demo:") == "demo:":
        lines += [
            "Agents answer from a script until you choose a model (for keys, see docs/deploy.md):",
            f"  make deploy ARGS='--parameter-overrides DefaultModel={EXAMPLE_MODEL}'",
        ]
    if not stack.parameters.get("AlarmTopicArn"):
        lines += ["Alarms notify nobody yet: set AlarmTopicArn to an SNS topic."]
    if concurrency <= NEW_ACCOUNT:
        lines += [
            f"This account may run {concurrency} functions at once, one for each stream. Request more:",
            "  aws service-quotas request-service-quota-increase --service-code lambda \\",
            "    --quota-code L-B99A9384 --desired-value 1000",
        ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
