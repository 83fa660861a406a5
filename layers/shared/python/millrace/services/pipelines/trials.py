"""Tests of destinations by the delivery function, which alone may read secrets and reach databases."""

from typing import Any

import orjson

from millrace.domain.pipelines import Pipeline
from millrace.errors import NotImplementedHere, Unavailable
from millrace.services.pipelines.context import PipelineContext


async def try_destination(
    context: PipelineContext, organization: str, pipeline: Pipeline, number: int, **how: Any
) -> dict[str, Any]:
    """Return the result of `millrace.services.delivery.trial`; `how` is its `payload` or `inspect`.

    Raises `NotImplementedHere`, and `Unavailable` if the function itself fails.
    """
    if not context.settings.deliver_function:
        raise NotImplementedHere("This deployment has no delivery function.", code="no_deliveries")
    asked = {
        "organization": organization,
        "pipelineId": pipeline.id,
        "version": pipeline.version,
        "destination": number,
    }
    answer = await context.aws.call(
        "lambda",
        "invoke",
        FunctionName=context.settings.deliver_function,
        Payload=orjson.dumps({"test": asked | how}),
    )
    result: dict[str, Any] = orjson.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise Unavailable("The test could not be run; see the log of the delivery function.")
    return result
