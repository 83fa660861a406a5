"""A function that stores messages of its queue; a message `fail` fails by itself."""

import os
from typing import Any

import boto3

_NAME = "queued"


def handler(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    failed = [record["messageId"] for record in event["Records"] if not _stored(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _stored(record: dict[str, Any]) -> bool:
    print(f"{_NAME} takes {record['body']}")
    if record["body"] == "fail":
        return False
    table = boto3.resource("dynamodb").Table(os.environ["ITEMS_TABLE"])
    seen = {"loopback": os.environ.get("ALLOW_LOOPBACK_HTTP", ""), "by": _NAME}
    table.put_item(Item={"pk": "queued", "sk": record["body"], **seen})
    return True
