"""Warnings about a definition: parts that are allowed but probably not intended, or depend on other systems.

They are returned when a pipeline is written, as `{code, path, message}`; docs/pipelines/warnings.md lists the
codes. Other systems must not delay the answer: if one does not answer in time, there is no warning.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from millrace.destinations.catalog import kind_of
from millrace.destinations.secrets import host_allowed, secrets_of
from millrace.domain.pipelines import Pipeline
from millrace.errors import MillraceError, NotFound
from millrace.net.addresses import Rules, check_addresses, is_address
from millrace.net.errors import AddressNotAllowed
from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.definitions.destinations import (
    DatabaseConfig,
    is_template,
)
from millrace.pipelines.definitions.schedules import once_at
from millrace.pipelines.definitions.sources import (
    AgentExecutionSource,
    DatabaseChangeSource,
    ScheduleSource,
    WebhookSource,
)
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.fields_read import template_fields
from millrace.pipelines.shapes import output_shape, unknown_fields
from millrace.pipelines.together import ends_in_batch
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.registry.checks import Hosts, address_of, destination_configs
from millrace.services.pipelines.trials import try_destination
from millrace.stores.agents import AgentStore

SECONDS = 5.0
_DNS_SECONDS = 2.0
MOST = 50
Report = dict[str, str]
Resolve = Callable[[str, int], Awaitable[list[str]]]


class Warnings:
    """Finds warnings. `resolve` returns all addresses of a name."""

    def __init__(self, context: PipelineContext, resolve: Resolve) -> None:
        self._context = context
        self._resolve = resolve
        self._agents = AgentStore(context.dynamo, context.settings.agents_table)

    async def of(
        self, organization: str, pipeline: Pipeline, definition: PipelineDefinition, secrets: Hosts
    ) -> list[Report]:
        """Return at most fifty warnings, in the order of the definition."""
        parts = await asyncio.gather(
            _all(self._of_source(organization, definition)),
            _all(self._of_addresses(definition)),
            _all(self._of_tables(organization, pipeline, definition)),
        )
        written = [*_of_text(definition), *_of_secrets(definition, secrets)]
        found = [*parts[0], *written, *parts[1], *parts[2]]
        return [dict(zip(("code", "path", "message"), each, strict=True)) for each in found[:MOST]]

    async def _of_source(self, organization: str, definition: PipelineDefinition) -> AsyncIterator["Found"]:
        match definition.source:
            case WebhookSource(verify=None):
                yield (
                    "unsigned_webhook",
                    "source.verify",
                    "Anybody who knows the address can send events: set `verify` and `secret`.",
                )
            case ScheduleSource() as source if _is_past(source, self._context.clock()):
                yield "schedule_past", "source.expression", "This time has passed: nothing will be sent."
            case AgentExecutionSource(agent_ids=ids) if ids:
                for at, id in enumerate(ids):
                    if not await self._is_agent(organization, id):
                        yield "unknown_agent", f"source.agentIds.{at}", f"There is no agent {id!r} now."

    async def _is_agent(self, organization: str, id: str) -> bool:
        try:
            await self._agents.get(organization, id)
        except NotFound:
            return id.startswith("flow:")
        return True

    async def _of_addresses(self, definition: PipelineDefinition) -> AsyncIterator["Found"]:
        rules = Rules(loopback=self._context.settings.allow_loopback_http)
        for config_path, config in destination_configs(definition):
            address = address_of(config_path, config)
            if address is None or not address.host or not address.port or is_address(address.host):
                continue
            try:
                async with asyncio.timeout(_DNS_SECONDS):
                    found = await self._resolve(address.host, address.port)
                check_addresses(address.host, address.port, found, rules, address.scheme == "https")
            except AddressNotAllowed as error:
                yield "private_address", address.path, error.message
            except TimeoutError:  # also an OSError, but not the name's fault
                pass
            except OSError:
                yield "unknown_host", address.path, f"The name {address.host} cannot be resolved now."

    async def _of_tables(
        self, organization: str, pipeline: Pipeline, definition: PipelineDefinition
    ) -> AsyncIterator["Found"]:
        if not self._context.settings.deliver_function:
            return
        for at, (config_path, config) in enumerate(destination_configs(definition)):
            if isinstance(config, DatabaseConfig):
                try:
                    async with asyncio.timeout(SECONDS):
                        result = await try_destination(
                            self._context, organization, pipeline, at, inspect=True
                        )
                except (TimeoutError, MillraceError):
                    continue
                if result.get("message"):
                    yield "table_problem", f"{config_path}.table", str(result["message"])
                for problem in result.get("problems") or ():
                    yield "table_problem", f"{config_path}.table", str(problem)
                for name in _missing(result.get("columns"), definition, config):
                    yield "unknown_column", f"{config_path}.table", f"The table has no column {name}."
                for name in _needed(result.get("needed"), definition):
                    yield "needed_column", f"{config_path}.table", f"Rows need {name}, which no event has."


Found = tuple[str, str, str]
"""Code, path, message."""


async def _all(found: AsyncIterator[Found]) -> list[Found]:
    return [each async for each in found]


def _is_past(source: ScheduleSource, now: int) -> bool:
    moment = once_at(source.expression)
    zone = ZoneInfo(source.timezone or "UTC")
    return moment is not None and moment.replace(tzinfo=zone) <= datetime.fromtimestamp(now / 1000, UTC)


def _missing(columns: list[str] | None, definition: PipelineDefinition, config: DatabaseConfig) -> list[str]:
    """Return the fields that events certainly have but the table does not."""
    shape = output_shape(definition)
    if columns is None or shape is None or ends_in_batch(definition.transforms):
        return []
    of_operation = template_fields(config.operation) if is_template(config.operation) else set()
    return sorted(shape - set(columns) - of_operation - {"skipped", "window"})


def _needed(columns: list[str] | None, definition: PipelineDefinition) -> list[str]:
    """Return the columns that rows need but no event has."""
    shape = output_shape(definition)
    if columns is None or shape is None or ends_in_batch(definition.transforms):
        return []
    return sorted(set(columns) - shape)


def _of_order(config_path: str, config: DatabaseConfig, definition: PipelineDefinition) -> Iterator[Found]:
    """Yield the reasons why a copy of a table cannot be exact."""
    version, shape = config.version_field, output_shape(definition)
    ordered = isinstance(definition.source, DatabaseChangeSource)
    if version and not ordered and shape is not None and version not in shape:
        yield (
            "no_version",
            f"{config_path}.versionField",
            f"No event has {version}: each will be a dead letter.",
        )
    if is_template(config.operation) and not config.deleted_field:
        yield (
            "unordered_delete",
            f"{config_path}.operation",
            "A change that arrives after the deletion of its row restores it: set a `deletedField`.",
        )


def _of_text(definition: PipelineDefinition) -> Iterator[Found]:
    """Yield the warnings that follow from the definition alone."""
    for path, field in unknown_fields(definition):
        yield "unknown_field", path, f"No event has a field `{field}` here: it is always null."
    for at, step in enumerate(definition.transforms):
        if step.when and compile_expression(step.when).is_constant:
            yield "constant_condition", f"transforms.{at}.when", "This condition is the same for every event."
    for config_path, config in destination_configs(definition):
        headers: dict[str, str] = getattr(config, "headers", {})
        for name, value in headers.items():
            if "{{" in value:
                yield (
                    "literal_template",
                    f"{config_path}.headers.{name}",
                    "Headers are not templates: `{{` is sent as it is.",
                )
        if isinstance(config, DatabaseConfig) and config.operation == "insert" and config.version_field:
            yield (
                "ignored_field",
                f"{config_path}.versionField",
                "`insert` never overwrites, so it has no version.",
            )
        if isinstance(config, DatabaseConfig):
            yield from _of_order(config_path, config, definition)


def _of_secrets(definition: PipelineDefinition, secrets: Hosts) -> Iterator[Found]:
    """Yield secrets that may not be sent to their service's usual host. (An operator may use a proxy.)"""
    for config_path, config in destination_configs(definition):
        host = kind_of(config).service_host(config)
        for name in sorted(secrets_of(config)) if host else ():
            bound = secrets.get(name, ())
            if bound and not host_allowed(host, bound):
                yield (
                    "secret_host",
                    config_path,
                    f"The secret {name} may only be sent to {', '.join(bound)}; this service is at {host}.",
                )
