"""`make destroy`: delete the stack, and list its tables, buckets and user pool, which are kept.

`ARGS=--data` deletes them as well, with everything in them: accounts, conversations, files. This cannot be
undone, so the command asks for the stack's name.
"""

import sys
from collections.abc import Callable

import boto3

from cloud.kept import Kept, delete_for_good, delete_keys, empty_bucket, file_of, kept_of, note
from cloud.stack import CloudError, Stack, chosen_name, parser_of, require_stack


def main(arguments: list[str], ask: Callable[[str], str] = input) -> int:
    parser = parser_of("destroy", __doc__)
    parser.add_argument(
        "--data", action="store_true", help="delete accounts, conversations and files as well"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    chosen = parser.parse_args(arguments)
    try:
        name = chosen_name(chosen)
        stack = require_stack(name)
        what = "and ALL ITS DATA" if chosen.data else "(its data is kept)"
        if not chosen.yes and ask(f"Type {name} to delete the stack {what}: ").strip() != name:
            raise CloudError("Nothing was deleted.")
        destroy(stack, name, data=chosen.data)
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def destroy(stack: Stack, name: str, *, data: bool) -> None:
    """Delete the stack and, with `data`, the resources that it retains."""
    gone = Stack(stack.id, stack.cloudformation)  # a deleted stack can be found only by its id
    if bucket := stack.outputs.get("WebBucketName"):
        empty_bucket(boto3.client("s3"), bucket)  # CloudFormation does not delete a bucket with files in it
    print(f"Deleting {name}. CloudFront takes a few minutes ...")
    stack.cloudformation.delete_stack(StackName=gone.name)
    stack.cloudformation.get_waiter("stack_delete_complete").wait(StackName=gone.name)
    kept = kept_of(gone)
    if data:
        print(f"Deleted for good: {', '.join(delete_for_good(kept))}")
        delete_keys(name)
    elif kept:
        note(file_of(name), kept)
        print(
            "\n".join(
                [f"{name} is deleted. These resources are kept, with their contents:", *map(_line, kept)]
            )
        )
        print(f"They are listed in {file_of(name)}. `make reattach` creates a stack from them.")


def _line(kept: Kept) -> str:
    return f"  {kept.logical_id:24} {kept.name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
