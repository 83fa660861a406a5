"""Our own server among the peers: the conversation app over an emulator of AWS in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3

from local.deploy import deploy
from local.ministack import ClientArguments, MiniStack
from local.template import read_template
from tests.bench._peers import CONTENT, ROOT, Peer
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER, Issuer

PATH = "/api/conversations/{conversation}/messages"
DOES = "agent loop; stores messages, run and every event, publishes to the bus"


@contextmanager
def ours(model_url: str, model: str) -> Iterator[Peer]:
    """It as a peer, whose deployment lasts as long as the block."""
    issuer = Issuer()
    with (
        TemporaryDirectory() as folder,
        MiniStack(log=Path(folder) / "log") as aws,
        served(issuer.app) as issuer_url,
    ):
        arguments = aws.client_arguments()
        function = deploy(read_template(ROOT / "template.yaml"), arguments).functions["ConversationFunction"]
        _leave_queues_alone(arguments)
        environment = function.environment | {
            "AWS_ENDPOINT_URL": arguments["endpoint_url"],
            "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
            "AWS_REGION": arguments["region_name"],
            "OIDC_ISSUER": ISSUER,
            "OIDC_AUDIENCE": AUDIENCE,
            "OIDC_JWKS_URL": f"{issuer_url}/keys",
            "OPENAI_BASE_URL": model_url,
            "DEFAULT_MODEL": f"openai:{model}",
            "PYTHONPATH": str(ROOT / "functions" / "conversation"),
            "LOG_LEVEL": "ERROR",
        }
        body = CONTENT | {"agentId": "assistant"}
        yield Peer("millrace", (), "millrace_app.py", PATH, body, DOES, issuer.headers("bench"), environment)


def _leave_queues_alone(arguments: ClientArguments) -> None:
    """On AWS, the functions that runs trigger over the bus have machines of their own; here they would take
    our cores."""
    functions = boto3.client("lambda", **arguments)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
