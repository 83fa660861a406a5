"""The clients of AWS's services."""

from contextlib import closing

import pytest
from botocore.session import Session

from millrace.stores.aws import FOR_CREDENTIALS, SERVICES, Aws


def test_service_whose_model_is_not_deployed_is_refused() -> None:
    with closing(Aws("us-east-1")) as aws, pytest.raises(AssertionError, match="add ec2 to SERVICES"):
        aws.client("ec2")


def test_deployed_resources_exist() -> None:
    assert set(Session().get_available_services()) >= SERVICES | FOR_CREDENTIALS
