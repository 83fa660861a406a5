"""The pipelines' functions in this process, on an emulator in another: what each invocation costs.

The emulator's own queues stay empty: these have queues that no function reads, and are called with batches as
Lambda makes them. CPU is this process's own (the emulator and the destination are others), so neighbours on a
noisy machine do not show.
"""

import asyncio
import importlib.util
import io
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import boto3

from local.deploy import Deployment, deploy
from local.ministack import MiniStack
from local.template import read_template
from millrace.domain.access import SCOPES, Principal
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.registry.pipelines import Pipelines
from millrace.settings import Settings
from millrace.stores.secrets import SecretStore
from tests.bench._metering import Meter, counting
from tests.fakes.receivers import receiving
from tests.fakes.sink import sinking
from tests.invoking import CONTEXT

ROOT = Path(__file__).parent.parent.parent
QUEUES = ("INGEST_QUEUE_URL", "TIMER_QUEUE_URL", "DELIVERY_QUEUE_URL")
FUNCTIONS = {
    "webhooks": "WebhooksFunction",
    "transform": "TransformFunction",
    "deliver": "DeliverFunction",
}
Handler = Callable[[dict[str, Any], object], Any]


class Plant:
    """Call `webhook` or `put`, then `work` until nothing is left. `cpu` (seconds), `invocations` and taken
    `messages` are by function. A function that has one of the
    `profiles` runs within it."""

    def __init__(self, deployment: Deployment, sqs: Any, meter: Meter) -> None:
        self.meter = meter
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.invocations: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        self.profiles: dict[str, AbstractContextManager[object]] = {}
        self.deployment = deployment
        self._sqs = sqs
        self._queues = {
            name: sqs.create_queue(QueueName=f"bench-{at}")["QueueUrl"] for at, name in enumerate(QUEUES)
        }
        self._loop = asyncio.new_event_loop()
        self._handlers = {folder: self._load(folder, id) for folder, id in FUNCTIONS.items()}

    def webhook(self, pipeline: str, events: list[dict[str, Any]]) -> None:
        """One request to the webhooks function's URL."""
        path = f"/hooks/{pipeline}"
        http = {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"host": "bench", "content-type": "application/json"},
            "requestContext": {"http": http, "stage": "$default", "domainName": "bench"},
            "body": json.dumps(events),
            "isBase64Encoded": False,
        }
        # Mangum's; the other functions, in processes of their own elsewhere, leave none behind.
        asyncio.set_event_loop(self._loop)
        answer = self._invoke("webhooks", event)
        assert answer["statusCode"] == 202, answer

    def started(self, organization: str, definition: dict[str, Any]) -> str:
        """The id of a new pipeline that runs; from now on everything is counted anew."""
        id = asyncio.run(self._start(organization, definition))
        for counted in (self.cpu, self.invocations, self.messages, self.meter):
            counted.clear()
        return id

    async def _start(self, organization: str, definition: dict[str, Any]) -> str:
        settings = Settings.from_environment()
        context = PipelineContext.connect(settings)
        secrets = SecretStore(context.aws, context.dynamo, settings.secrets_table, settings.secrets_key_id)
        caller = Principal(organization, "bench", SCOPES)
        pipelines = Pipelines(context, secrets)
        made = await pipelines.create(caller, {"name": "bench"} | definition)
        await pipelines.act(caller, made.id, "start")
        context.aws.close()
        return made.id

    def put(self, bodies: list[str]) -> None:
        """Messages on the ingest queue as an EventBridge rule puts them there, without a cost of ours."""
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])
            ]
            self._sqs.send_message_batch(QueueUrl=self._queues["INGEST_QUEUE_URL"], Entries=entries)

    def work(self, function: str, queue: str, most: int) -> int:
        """Empties a queue into a function, at most so many messages in an invocation; how many they were."""
        waiting = self._receive(self._queues[queue])
        for start in range(0, len(waiting), most):
            batch = waiting[start : start + most]
            self.messages[function] += len(batch)
            self.meter.received([one["body"] for one in batch])
            assert self._invoke(function, {"Records": batch}) == {"batchItemFailures": []}
        return len(waiting)

    def _invoke(self, function: str, event: dict[str, Any]) -> Any:
        with redirect_stdout(io.StringIO()) as said:
            begun = time.process_time()
            with self.profiles.get(function, nullcontext()):
                answer = self._handlers[function](event, CONTEXT)
            self.cpu[function] += time.process_time() - begun
        self.meter.logged += len(said.getvalue())
        self.invocations[function] += 1
        return answer

    def _receive(self, url: str) -> list[dict[str, Any]]:
        found = []
        while batch := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for one in batch:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
                record = {
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                    "attributes": {
                        "SentTimestamp": str(int(time.time() * 1000)),
                        "ApproximateReceiveCount": "1",
                    },
                }
                found.append(record)
        return found

    def _load(self, folder: str, logical_id: str) -> Handler:
        os.environ |= self.deployment.functions[logical_id].environment | self._queues
        spec = importlib.util.spec_from_file_location(
            f"bench_{folder}", ROOT / "functions" / folder / "app.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        handler: Handler = module.handler
        return handler


@contextmanager
def planted(*, metered: bool = True) -> Iterator[tuple[Plant, str]]:
    """A plant, and the URL of a webhook sink; the environment is the functions' meanwhile. Calls are only
    seen where all of them are botocore's: `metered` counts them, and CPU is higher than on Lambda."""
    before = dict(os.environ)
    with MiniStack() as emulator, _elsewhere(_sink) as sink, _elsewhere(_services) as services:
        arguments = emulator.client_arguments()
        # Not counted, as it plays Lambda's pollers and the bus: made before.
        sqs = boto3.client("sqs", **arguments)
        deployment = deploy(read_template(ROOT / "template.yaml"), arguments)
        os.environ |= {
            "AWS_ENDPOINT_URL": arguments["endpoint_url"],
            "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
            "AWS_REGION": arguments["region_name"],
            "ALLOW_LOOPBACK_HTTP": "true",
            "MIXPANEL_BASE_URL": services,
            "LOG_LEVEL": "ERROR",
        }
        meter = Meter()
        try:
            with counting(meter) if metered else nullcontext():
                yield Plant(deployment, sqs, meter), sink
        finally:
            os.environ.clear()
            os.environ |= before


@contextmanager
def _elsewhere(serve: Callable[[Connection], None]) -> Iterator[str]:
    """A server in a process of its own; gives its URL."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(10)


def _sink(pipe: Connection) -> None:
    with sinking() as sink:
        pipe.send(sink.url)
        pipe.recv()


def _services(pipe: Connection) -> None:
    with receiving() as services:
        pipe.send(services.url)
        pipe.recv()
