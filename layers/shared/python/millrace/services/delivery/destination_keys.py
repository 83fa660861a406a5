"""Keys of the delivery state of destinations."""

from hashlib import sha256

from millrace.pipelines.definitions.destinations import Destination
from millrace.stores.delivery_state import DestinationKey


def destination_key_of(
    organization: str, pipeline_id: str, index: int, destination: Destination
) -> DestinationKey:
    """Return the key of a pipeline's destination, counted from 0.

    It changes with the configuration, so a corrected destination starts with a new state.
    """
    said = f"{index}:{destination.config.model_dump_json()}"
    return DestinationKey(organization, pipeline_id, f"{index}-{sha256(said.encode()).hexdigest()[:16]}")
