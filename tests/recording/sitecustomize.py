"""Python imports this by itself at the start of each function's process of a stack under test: it notes every
call of AWS, once for each resource, in a file of the function.

Calls that are only signed are noted too: a browser's upload is made with the rights of the function that
signed it.
"""

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
"""Of this copy: each stack has one of its own."""
FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
NAMED = (
    "TableName",
    "IndexName",
    "QueueUrl",
    "Bucket",
    "Key",
    "FunctionName",
    "EventBusName",
    "SecretId",
    "Name",
    "GroupName",
    "TopicArn",
)
seen: set[str] = set()


def note(params: Any, model: Any, **_: Any) -> None:
    """botocore is about to make a call, or to sign it."""
    note_call(model.service_model.service_name, model.name, params)


def note_call(service: str, operation: str, params: Any) -> None:
    named = {name: params[name] for name in NAMED if isinstance(params.get(name), str)}
    if "Key" in named:
        named["Key"] = named["Key"].partition("/")[0] + "/x"
    items = [
        [kind, one["TableName"]] for item in params.get("TransactItems", ()) for kind, one in item.items()
    ]
    buses = [entry.get("EventBusName", "default") for entry in params.get("Entries", ()) if "Detail" in entry]
    line = json.dumps(
        {
            "service": service,
            "operation": operation,
            "params": named,
            "items": sorted(map(list, {tuple(item) for item in items})),
            "tables": sorted(params.get("RequestItems", ())),
            "buses": sorted(set(buses)),
            "purpose": (params.get("EncryptionContext") or {}).get("purpose", ""),
        }
    )
    if line not in seen:
        seen.add(line)
        with (FOLDER / f"{FUNCTION}.jsonl").open("a") as file:
            file.write(line + "\n")


if FUNCTION:
    import botocore.handlers

    hooks: Any = botocore.handlers.BUILTIN_HANDLERS
    hooks.append(("before-parameter-build", note))

    from millrace.stores.signed_client import SignedClient

    call = SignedClient.call

    def noted(client: Any, operation: str, **params: Any) -> Any:
        """The product's own client is about to make a call."""
        note_call(client.service.name, operation, params)
        return call(client, operation, **params)

    SignedClient.call = noted  # type: ignore[method-assign, assignment]
