"""Definitions with destinations and sources of other packages: the same model with larger unions.

A destination's kind is the name of its entry point: `{"type": "acme", "config": {...}}`. In a stored
definition, one that cannot be loaded (any more) is kept unchanged, so that the pipeline's other destinations
continue; events for it become dead letters with the reason.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast

from msgspec import Struct
from pydantic import BeforeValidator, ConfigDict, Field, create_model, model_validator

from millrace.extensions import Extension, extension, names
from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.definitions.destinations import (
    Destination,
    DestinationBase,
    ExtensionConfig,
    RateLimit,
)
from millrace.pipelines.definitions.model import Model
from millrace.pipelines.definitions.sources import ExtensionSource, Source
from millrace.pipelines.limits import DESTINATIONS

C = TypeVar("C", bound=ExtensionConfig)


class DestinationType(Struct, frozen=True):
    """A kind of destination from another package.

    `config` is a subclass of `ExtensionConfig`. Either `http` creates an `HttpDestination` from a config, or
    `sender` a `Sender`, both as defined in `millrace.destinations.extension`. `repeatable` means that it
    detects a duplicate by the event's id; for others, deliveries record what they have sent. `rate_limit`
    applies to configs without their own.
    """

    config: type[ExtensionConfig]
    http: Callable[[Any], Any] | None = None
    sender: Callable[[Any], Any] | None = None
    repeatable: bool = True
    rate_limit: RateLimit | None = None


class SourceType(Struct, frozen=True):
    """A kind of source from another package.

    `config` is a subclass of `ExtensionSource`. `receive` converts a request to the pipeline's address to
    events. It gets the config with its secret filled in, raises `Unauthenticated` for a request without a
    valid signature, and returns an answer for the sender, or events, each `{"payload", "id"?, "type"?}`.
    """

    config: type[ExtensionSource]
    receive: Callable[[Any, "WebhookRequest"], "list[dict[str, Any]] | str"]


class WebhookRequest(Struct, frozen=True):
    """A request to a pipeline's address.

    `headers` have lower-case names, `body` is as it was sent, and `now` is in epoch milliseconds.
    """

    headers: Mapping[str, str]
    body: bytes
    now: int


class MissingConfig(ExtensionConfig):
    """The config of a destination whose package is not installed, or cannot be loaded."""

    model_config = ConfigDict(extra="allow")
    reason: ClassVar[str] = ""


class MissingSource(ExtensionSource):
    """A source whose package is not installed, or cannot be loaded."""

    model_config = ConfigDict(extra="allow")
    reason: ClassVar[str] = ""


def destination_type(name: str) -> DestinationType | Extension | None:
    """Return a kind of destination by its name.

    Return the extension with its problem if it cannot be used, or None if there is none.
    """
    found = extension("destinations", name)
    if found is None or found.problem:
        return found
    if problem := _problem(found):
        return found.failed(problem)
    return cast(DestinationType, found.value)


def _problem(found: Extension) -> str:
    kind = found.value
    if not isinstance(kind, DestinationType):
        return "It must be a millrace.destinations.extension.DestinationType."
    config: Any = kind.config
    if not (isinstance(config, type) and issubclass(config, ExtensionConfig)):
        return "Its config must be a subclass of millrace.destinations.extension.ExtensionConfig."
    if (kind.http is None) == (kind.sender is None):
        return "It must have either http or sender."
    return ""


def source_type(name: str) -> SourceType | Extension | None:
    """Return a kind of source, as `destination_type` does."""
    found = extension("sources", name)
    if found is None or found.problem:
        return found
    kind, config = found.value, getattr(found.value, "config", None)
    if not isinstance(kind, SourceType):
        return found.failed("It must be a millrace.pipelines.definitions.extensions.SourceType.")
    if not (isinstance(config, type) and issubclass(config, ExtensionSource)):
        return found.failed("Its config must be a subclass of ExtensionSource.")
    return kind


def type_of_source(source: ExtensionSource) -> SourceType:
    """Return the kind of a source. Raises `LookupError` with the reason if there is none."""
    kind = source_type(source.type)
    if isinstance(source, MissingSource) or not isinstance(kind, SourceType):
        raise LookupError(_reason("source", source.type, kind))
    return kind


def type_of(config: ExtensionConfig) -> DestinationType:
    """Return the kind of a config. Raises `LookupError` with the reason if there is none."""
    if isinstance(config, MissingConfig):
        raise LookupError(config.reason)
    for name in names("destinations"):
        kind = destination_type(name)
        if isinstance(kind, DestinationType) and kind.config is type(config):
            return kind
    raise LookupError("Its package is not installed.")


@cache
def model_with(
    stored: frozenset[str] = frozenset(), stored_sources: frozenset[str] = frozenset()
) -> type[PipelineDefinition]:
    """Return the model of definitions with every installed kind of destination and source.

    Kinds in a `stored` definition that cannot be used get placeholders. Without extensions, return the
    built-in model.
    """
    kinds = [_kind(name, name in stored) for name in sorted({*names("destinations"), *stored})]
    sources = [_source(name, name in stored_sources) for name in sorted({*names("sources"), *stored_sources})]
    if not kinds and not sources:
        return PipelineDefinition
    one: Any = Annotated[_union([Destination, *kinds]), Field(discriminator="type")]
    several: Any = Annotated[list[one], Field(min_length=1, max_length=DESTINATIONS)]
    return create_model(
        "PipelineDefinition",
        __base__=PipelineDefinition,
        __doc__=PipelineDefinition.__doc__,
        source=(Annotated[_union([Source, *sources]), Field(discriminator="type")], ...),
        destination=(one | None, None),
        destinations=(several | None, None),
    )


def _union(kinds: list[Any]) -> Any:
    found = kinds[0]
    for kind in kinds[1:]:
        found |= kind
    return found


def _kind(name: str, stored: bool) -> type[Model]:
    config: Any = _config(name, stored)
    literal = cast(Any, Literal)[name]
    title = f"{name[0].upper()}{name[1:].replace('-', '_')}Destination"
    return create_model(title, __base__=DestinationBase, type=(literal, ...), config=(config, ...))


def _config(name: str, stored: bool) -> Any:
    kind = destination_type(name)
    if isinstance(kind, DestinationType):
        return kind.config
    reason = _reason("destination", name, kind)
    if not stored:
        return Annotated[ExtensionConfig, BeforeValidator(_refuse(reason))]
    missing = create_model("MissingConfig", __base__=MissingConfig)
    missing.reason = reason
    return missing


def _source(name: str, stored: bool) -> type[Model]:
    kind = source_type(name)
    literal = cast(Any, Literal)[name]
    if isinstance(kind, SourceType):
        return create_model(kind.config.__name__, __base__=kind.config, type=(literal, ...))
    reason = _reason("source", name, kind)
    if stored:
        missing = create_model("MissingSource", __base__=MissingSource, type=(literal, ...))
        missing.reason = reason
        return missing
    refusal: Any = {"refuse": model_validator(mode="before")(_refuse(reason))}
    return create_model(
        "RefusedSource", __base__=ExtensionSource, __validators__=refusal, type=(literal, ...)
    )


def _reason(what: str, name: str, kind: Extension | Any) -> str:
    if isinstance(kind, Extension):
        return f"The {what} {name!r} of {kind.package} cannot be used. {kind.problem}"
    return f"The {what} {name!r} is not installed here."


def _refuse(reason: str) -> Callable[[Any], Any]:
    def refuse(value: Any) -> Any:
        raise ValueError(reason)

    return refuse
