"""A deployment's stores with a clock that tests control, with data in every table and bucket."""

import asyncio
import json
from dataclasses import dataclass

import httpx
from msgspec.structs import replace

from millrace.domain.pipelines import Pipeline
from millrace.services.erasures import sweep_erasures
from millrace.services.exports.sweep import sweep_exports
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.schedules import Schedules
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.dynamo import Dynamo, put
from millrace.stores.remains import BUCKETS, TABLES
from tests.api.talk import say
from tests.aws import Aws

AGENT = {"id": "helper", "name": "Helper", "instructions": "Help."}
TIME = "2027-01-15T08:00:00.000Z"
Key = tuple[str, str, str]
"""Of an item: the setting that names its table, and its two keys."""


@dataclass
class World:
    """All stores of a deployment under a clock that tests move."""

    stores: Stores
    settings: Settings
    now: list[int]
    aws: Aws

    def sweep(self, times: int = 1, later_ms: int = 0) -> None:
        for _ in range(times):
            self.now[0] += later_ms
            asyncio.run(sweep_erasures(self.stores))

    def items(self, organization: str) -> dict[str, list[str]]:
        """Return the items of each table whose keys or attributes name the organization."""
        client = self.aws.client("dynamodb")
        found: dict[str, list[str]] = {}
        for name in TABLES:
            pages = client.get_paginator("scan").paginate(TableName=getattr(self.settings, name))
            texts = [json.dumps(item, default=str) for page in pages for item in page["Items"]]
            if mine := [text for text in texts if organization in text]:
                found[name] = mine
        return found

    def keys(self, organization: str) -> set[Key]:
        """Return the keys of those items."""
        found = [
            (name, json.loads(item)) for name, items in self.items(organization).items() for item in items
        ]
        return {(name, item["pk"]["S"], item.get("sk", {"S": ""})["S"]) for name, item in found}

    def export(self, times: int = 4) -> None:
        """Go on with exports."""
        for _ in range(times):
            asyncio.run(sweep_exports(self.stores))

    def objects(self, organization: str) -> list[str]:
        client, found = self.aws.client("s3"), []
        for name in BUCKETS:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=getattr(self.settings, name))
            found += [one["Key"] for page in pages for one in page.get("Contents", [])]
        return [key for key in found if organization in key]

    def schedules(self) -> list[str]:
        client = self.aws.client("scheduler")
        listed = client.list_schedules(GroupName=self.settings.schedule_group)["Schedules"]
        return [one["Name"] for one in listed]


def make_world(platform: Platform, aws: Aws) -> World:
    environment = Settings.from_environment(aws.environment("RecordFunction"))
    named = {name: getattr(environment, name) for name in (*TABLES, *BUCKETS, "schedule_group")}
    transform = Settings.from_environment(aws.environment("ApiFunction"))
    settings = replace(
        platform.settings,
        **named,
        scheduler_role_arn=transform.scheduler_role_arn,
        ingest_queue_arn=transform.ingest_queue_arn,
    )
    now = [platform.stores.clock()]
    return World(Stores.connect(settings, platform.stores.aws, lambda: now[0]), settings, now, aws)


def fill(world: World, chat: httpx.Client, management: httpx.Client, organization: str, number: int) -> None:
    """Leave something in every table and bucket, and a schedule: through the API where this test has it."""
    most = {"costPerDay": 5, "concurrentRuns": 5, "requestsPerMinute": 99, "conversations": 9}
    assert management.patch("/api/limits", json={"user": most}).status_code == 200
    assert management.post("/api/agents", json=AGENT).status_code == 201
    assert management.post("/api/keys", json={"name": "S", "scopes": ["chat"]}).status_code == 201
    say(chat, "/echo tools=1 think=0\nhello", conversation=f"c{number}")
    share = {"userId": "friend", "access": "read"}
    assert chat.post(f"/api/conversations/c{number}/shares", json=share).status_code == 204
    upload = {"name": "a.txt", "mediaType": "text/plain", "size": 3}
    file_id = chat.post("/api/files", json=upload).json()["fileId"]
    asyncio.run(rows(world, organization))
    client, journal = world.aws.client("s3"), world.settings.journal_bucket
    files = world.settings.files_bucket
    client.put_object(Bucket=files, Key=f"uploads/{organization}/{file_id}", Body=b"abc")
    client.put_object(Bucket=files, Key=f"conversations/{organization}/c{number}/f", Body=b"abc")
    client.put_object(Bucket=journal, Key=f"{organization}/p1/20000/x.ndjson.gz", Body=b"abc")
    client.put_object(Bucket=journal, Key=f"_dead-letters/{organization}/p1/x/y.json.gz", Body=b"abc")
    context = PipelineContext.connect(world.settings, world.stores.aws, world.stores.clock)
    source = {"type": "schedule", "expression": "rate(1 hour)"}
    definition = {
        "name": "n",
        "source": source,
        "destination": {"type": "webhook", "config": {"url": "https://a.example"}},
    }
    made = Pipeline(
        id=f"p{number}", definition=definition, created_at=TIME, updated_at=TIME, state_since=TIME
    )
    asyncio.run(scheduled(context, organization, made))


async def scheduled(context: PipelineContext, organization: str, made: Pipeline) -> None:
    await context.pipelines.create(organization, made, [])
    await Schedules(context).ensure(organization, made)


async def rows(world: World, organization: str) -> None:
    """Items of stores that no call of this test reaches, under the keys that those have."""
    dynamo, settings = Dynamo(world.stores.aws), world.settings
    pipeline = f"{organization}#p1"
    for table, item in (
        (settings.injections_table, {"pk": f"{organization}#c1", "sk": "I#1"}),
        (settings.memories_table, {"pk": f"{organization}#user-1", "sk": "M#echo#1"}),
        (settings.memories_table, {"pk": "#forgetting", "sk": f"{organization}#echo"}),
        (settings.memories_table, {"pk": f"#gone#{organization}#echo", "sk": "MARK"}),
        (settings.alerts_table, {"pk": organization, "sk": "RULE#1"}),
        (settings.alerts_table, {"pk": "#active", "sk": f"{organization}#"}),
        (settings.flows_table, {"pk": organization, "sk": "FLOW#one"}),
        (settings.windows_table, {"pk": f"{pipeline}#w#0", "sk": "META"}),
        (settings.dead_letters_table, {"pk": pipeline, "sk": "1"}),
        (settings.delivery_table, {"pk": f"{organization}#~", "sk": "PLACES"}),
        (settings.secrets_table, {"pk": organization, "sk": "KEY"}),
        (settings.tickets_table, {"pk": "0" * 64 + organization[-4:], "organization": organization}),
        (settings.tickets_table, {"pk": f"speech#{organization}#user-1#s1"}),
        (settings.limits_table, {"pk": "#retention", "sk": f"{organization}#"}),
    ):
        await dynamo.write(put(table, item))
