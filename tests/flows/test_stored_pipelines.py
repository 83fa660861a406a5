"""A flow's pipeline step may name a stored pipeline of its own organization only."""

import uuid

import pytest

from millrace.domain.pipelines import Pipeline
from millrace.errors import NotFound
from millrace.services.flows.steps import stored_pipelines
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.dynamo import Dynamo
from millrace.stores.pipelines import PipelineStore
from tests.aws import Aws

DEFINITION = {
    "name": "upper",
    "source": {"type": "api_event"},
    "transforms": [{"type": "map", "config": {"expression": {"name": "upper(name)"}}}],
    "destination": {"type": "webhook", "config": {"url": "https://example.com/hook"}},
}


async def test_stored_pipeline_is_found_by_its_own_organization_only(aws_environment: Aws) -> None:
    dynamo, table = Dynamo(AwsClients(aws_environment.region)), aws_environment.tables["PipelinesTable"]
    organization = f"org-{uuid.uuid4().hex[:12]}"
    made = Pipeline(id="p1", definition=DEFINITION, created_at="now", updated_at="now", state_since="now")
    await PipelineStore(dynamo, table).create(organization, made, [])
    find = stored_pipelines(dynamo, table)
    assert (await find(organization, "p1")).name == "upper"
    with pytest.raises(NotFound):
        await find("somebody-else", "p1")
