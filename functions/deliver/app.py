"""Deliver outputs of pipelines from the delivery queue to their destinations."""

from typing import Any

from millrace.startup import starting

with starting():
    from millrace.services.delivery.batch import BatchDeliverer, DeliverySettings
    from millrace.telemetry import logs

    deliver = BatchDeliverer(DeliverySettings.from_environment())
    deliver.warm()


@logs.invocations
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle an SQS batch of delivery jobs, and report each one that failed; or handle `{"test": ...}`, with
    which the management API tests a destination."""
    return deliver.test(event["test"]) if "test" in event else deliver(event)
