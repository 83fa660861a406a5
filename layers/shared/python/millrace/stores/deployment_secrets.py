"""Secrets of the deployment in Secrets Manager, read through Powertools' Parameters.

Secrets of organizations are in `millrace.stores.secrets`.
"""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from millrace.errors import Unavailable
from millrace.stores.aws import Aws

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

MAX_AGE_SECONDS = 300


class DeploymentSecrets:
    """Reads secrets by name or ARN and caches each for five minutes. Calls block."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    @cached_property
    def _provider(self) -> "SecretsProvider":
        from aws_lambda_powertools.utilities.parameters import SecretsProvider  # few functions need it

        return SecretsProvider(boto3_client=self._aws.client("secretsmanager"))

    def text(self, name: str, fresh: bool = False) -> str:
        """Return a secret's text, bypassing the cache if `fresh`. Raises `Unavailable`."""
        from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

        try:
            return str(self._provider.get(name, max_age=MAX_AGE_SECONDS, force_fetch=fresh))
        except GetParameterError as error:
            raise Unavailable(f"The secret {name} cannot be read.", retry_after=2) from error


class OwnSecrets:
    """The deployment's secrets for its own tools and agents (`agent.tools.tool.Secrets`)."""

    def __init__(self, aws: Aws) -> None:
        self._secrets = DeploymentSecrets(aws)

    def text(self, name: str) -> str:
        """See `Secrets`."""
        return self._secrets.text(name)

    async def read(self, name: str) -> str:
        """See `Secrets`."""
        return await asyncio.to_thread(self._secrets.text, name)
