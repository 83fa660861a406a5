"""Delivers pipelines' outputs to their destinations, from the delivery queue."""

from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.delivery.batch import BatchDeliverer, DeliverySettings
    from millrace.telemetry import logs

    deliver = BatchDeliverer(DeliverySettings.from_environment())
    deliver.warm()


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """An SQS batch of delivery jobs; what failed is reported item by item. Or `{"test": ...}`, by which the
    management API tries a destination out."""
    return deliver.test(event["test"]) if "test" in event else deliver(event)
