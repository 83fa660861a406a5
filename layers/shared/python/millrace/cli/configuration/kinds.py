"""Agents, pipelines, flows and alert rules with a common interface to list, write and delete them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import BaseModel

from millrace.cli.output import to_json
from millrace.client import Client
from millrace.domain.agents import AgentSettings
from millrace.domain.alerts import AlertSettings
from millrace.domain.flows import FlowSettings

Json = dict[str, Any]
FILLED = frozenset({"id", "createdAt", "updatedAt"})
"""Fields that the server sets."""


class Kind(ABC):
    """A kind of resource. Bodies and answers are JSON. `filled` are the fields that the server sets."""

    section: ClassVar[str]
    filled: ClassVar[frozenset[str]]

    @abstractmethod
    def all(self, client: Client) -> dict[str, Json]:
        """Return all resources by key, without built-in ones."""

    @abstractmethod
    def put(self, client: Client, key: str, body: Json, **options: Any) -> Json:
        """Write a resource. Options are those of the client's method."""

    @abstractmethod
    def delete(self, client: Client, key: str, unchanged_since: str) -> None:
        """Delete a resource."""

    @abstractmethod
    def compact(self, found: Json) -> Json:
        """Return a resource as in a file, without fields that the server sets and without defaults."""


def settings_of(kind: Kind, found: Json) -> Json:
    """Return the fields that a client can set."""
    return {name: value for name, value in found.items() if name not in kind.filled}


def _by(name: str, found: Iterable[Any]) -> dict[str, Json]:
    return {str(one[name]): one for one in map(to_json, found)}


def _without_defaults(model: type[BaseModel], settings: Json) -> Json:
    read = model.model_validate(settings, extra="allow")
    found: Json = read.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return found


class Agents(Kind):
    section = "agents"
    filled = FILLED | {"builtin"}

    def all(self, client: Client) -> dict[str, Json]:
        found = _by("id", client.agents.list(limit=100))
        return {key: one for key, one in found.items() if not one.get("builtin")}

    def put(self, client: Client, key: str, body: Json, **options: Any) -> Json:
        return dict(to_json(client.agents.put(key, body, **options)))

    def delete(self, client: Client, key: str, unchanged_since: str) -> None:
        client.agents.delete(key, unchanged_since=unchanged_since)

    def compact(self, found: Json) -> Json:
        return _without_defaults(AgentSettings, settings_of(self, found))


class Flows(Kind):
    section = "flows"
    filled = FILLED | {"name"}

    def all(self, client: Client) -> dict[str, Json]:
        return _by("name", client.flows.list(limit=100))

    def put(self, client: Client, key: str, body: Json, **options: Any) -> Json:
        return dict(to_json(client.flows.put(key, body, **options)))

    def delete(self, client: Client, key: str, unchanged_since: str) -> None:
        client.flows.delete(key, unchanged_since=unchanged_since)

    def compact(self, found: Json) -> Json:
        return _without_defaults(FlowSettings, settings_of(self, found))


class Alerts(Kind):
    section = "alerts"
    filled = FILLED | {"state"}

    def all(self, client: Client) -> dict[str, Json]:
        return _by("id", client.alerts.list().items)

    def put(self, client: Client, key: str, body: Json, **options: Any) -> Json:
        return dict(to_json(client.alerts.put(key, body, **options)))

    def delete(self, client: Client, key: str, unchanged_since: str) -> None:
        client.alerts.delete(key, unchanged_since=unchanged_since)

    def compact(self, found: Json) -> Json:
        return _without_defaults(AlertSettings, settings_of(self, found))


class Pipelines(Kind):
    """Pipelines.

    Definitions are stored as they were written, so there are no defaults to leave out. The state is part of a
    file, but not of a definition.
    """

    section = "pipelines"
    filled = FILLED | {"state", "version", "stateSince", "warnings"}

    def all(self, client: Client) -> dict[str, Json]:
        return _by("id", client.streaming.list_pipelines(limit=100))

    def put(self, client: Client, key: str, body: Json, **options: Any) -> Json:
        return dict(to_json(client.streaming.put_pipeline(key, body, **options)))

    def create(self, client: Client, body: Json, *, dry_run: bool = False) -> Json:
        """Create a pipeline with an id assigned by the server."""
        return dict(to_json(client.streaming.create_pipeline(body, dry_run=dry_run)))

    def delete(self, client: Client, key: str, unchanged_since: str) -> None:
        client.streaming.delete_pipeline(key, unchanged_since=unchanged_since)

    def move(self, client: Client, key: str, action: str) -> None:
        """Start, pause, resume or stop a pipeline."""
        getattr(client.streaming, f"{action}_pipeline")(key)

    def compact(self, found: Json) -> Json:
        state = {"state": found["state"]} if found["state"] in ("running", "paused") else {}
        return settings_of(self, found) | state


PIPELINES = Pipelines()
KINDS: tuple[Kind, ...] = (Agents(), PIPELINES, Flows(), Alerts())
"""In the order in which they are written."""
