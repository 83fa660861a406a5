"""`make environment`: print the variables of the stack's functions, to run `millrace.serve` elsewhere.

The output is NAME=value lines for `docker run --env-file`. It contains no credentials.
"""

import sys
from typing import Any

import boto3

from cloud.stack import CloudError, Stack, chosen_name, parser_of, require_stack

OWN = ("AWS_LAMBDA_EXEC_WRAPPER",)
"""Variables that only Lambda needs."""


def environment_of(stack: Stack, functions: Any) -> dict[str, str]:
    """Return the variables of all functions combined; what one function lacks comes from another."""
    found: dict[str, str] = {}
    for one in stack.resources():
        if one["ResourceType"] == "AWS::Lambda::Function":
            answer = functions.get_function_configuration(FunctionName=one["PhysicalResourceId"])
            variables = answer.get("Environment", {}).get("Variables", {})
            found |= {name: value for name, value in variables.items() if value and name not in OWN}
    return dict(sorted(found.items()))


def main(arguments: list[str]) -> int:
    chosen = parser_of("environment", __doc__).parse_args(arguments)
    try:
        found = environment_of(require_stack(chosen_name(chosen)), boto3.client("lambda"))
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(f"{name}={value}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
