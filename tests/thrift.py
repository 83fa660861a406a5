"""Share work that tests need not repeat, which gave half of their time to Python's garbage collector.

Most tests make their own app with their own AWS clients. botocore reads and parses the service models again
for each session, and FastAPI's caches keep every app and everything that it refers to. Only results of
reading and parsing are shared here. Each client still has its own hooks, connections and retries.
"""

import gc
import os
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

import botocore.client
import botocore.handlers
import botocore.hooks
import botocore.regions
import botocore.session
import fastapi.routing
import httpx._transports.default
import pydantic.json_schema

from millrace.stores.aws import Aws
from millrace.stores.aws_session import make_session


@contextmanager
def shared_service_models() -> Iterator[None]:
    """Share what botocore's loaders have read among all sessions of this process."""
    create, read = botocore.session.create_loader, dict[Any, Any]()

    def sharing(path: str | None = None) -> Any:
        loader: Any = create(path)
        loader._cache = read
        return loader

    with patch.object(botocore.session, "create_loader", sharing):
        yield


@contextmanager
def shared_sessions() -> Iterator[None]:
    """Share one session among all of the product's clients in one environment, unless hooks are added."""
    made, lock, make = dict[Any, tuple[Any, list[Any]]](), threading.Lock(), Aws._with_botocore

    def session(aws: Aws) -> Any:
        # Its later clients are of the same session, whatever the environment is by then.
        own = vars(aws)
        if "shared_session" not in own:
            own["shared_session"] = shared()
        return own["shared_session"]

    def shared() -> Any:
        environment = frozenset(one for one in os.environ.items() if one[0].startswith("AWS_"))
        hooks = list(botocore.handlers.BUILTIN_HANDLERS)
        key = environment, tuple(map(id, hooks))
        if key not in made:
            made[key] = make_session(), hooks  # held, so that no other hook gets an id of theirs
        return made[key][0]

    def making(aws: Aws, service: str) -> Any:
        with lock:
            return make(aws, service)

    with patch.object(Aws, "_session", property(session)), patch.object(Aws, "_with_botocore", making):
        yield


@contextmanager
def shared_findings() -> Iterator[None]:
    """Share results that depend only on models, types and signatures among all clients and apps."""
    regions: Any = botocore.regions
    with ExitStack() as stack:
        for where, name, instead in (
            (regions, "EndpointProvider", _once_per_rules(regions.EndpointProvider)),
            (botocore.hooks, "accepts_kwargs", _once_per_code(botocore.hooks.accepts_kwargs)),
            (botocore.client.ClientCreator, "_create_client_class", _classes()),
            (fastapi.routing, "_build_dependant_with_parameterless_dependencies", _once_per_endpoint()),
            (_loaded("millrace.api.openapi", pydantic.json_schema), "models_json_schema", _once_per_models()),
        ):
            stack.enter_context(patch.object(where, name, instead))
        yield


def _once_per_rules(make: Callable[..., Any]) -> Callable[..., Any]:
    made = dict[int, tuple[Any, Any]]()

    def provider(ruleset_data: Any, partition_data: Any, excluded_params: Any = None) -> Any:
        # The loader's own data, which it keeps: see `shared_service_models`.
        if id(ruleset_data) not in made:
            made[id(ruleset_data)] = ruleset_data, make(ruleset_data, partition_data, excluded_params)
        return made[id(ruleset_data)][1]

    return provider


def _once_per_code(accepts: Callable[..., Any]) -> Callable[..., Any]:
    found = dict[Any, Any]()

    def accepting(function: Any) -> Any:
        code = getattr(function, "__code__", None)
        if code is None:
            return accepts(function)
        if code not in found:
            found[code] = accepts(function)
        return found[code]

    return accepting


def _classes() -> Callable[..., Any]:
    create: Any = botocore.client.ClientCreator._create_client_class  # type: ignore[attr-defined]
    made: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()

    def created(creator: Any, service: str, model: Any) -> Any:
        of_session = made.setdefault(creator._event_emitter, {})  # its hooks may add to a class
        if service not in of_session:
            of_session[service] = create(creator, service, model)
        return of_session[service]

    return created


def _once_per_endpoint() -> Callable[..., Any]:
    """Apps of all tests have the same endpoints, each with its own closures."""
    build: Any = fastapi.routing._build_dependant_with_parameterless_dependencies
    built = dict[Any, Any]()

    def building(*, path: str, call: Any, dependencies: Any) -> Any:
        key = path, call.__code__
        if dependencies or key not in built:
            built[key] = build(path=path, call=call, dependencies=dependencies)
        dependant, *about = built[key]
        return replace(dependant, call=call), *about

    return building


def _loaded(name: str, otherwise: Any) -> Any:
    """Return a module that tests have imported, or the one that it will take the function from."""
    return sys.modules.get(name, otherwise)


def _once_per_models() -> Callable[..., Any]:
    """Cache the OpenAPI document's schemas, because building them from hundreds of models takes two
    seconds."""
    make, made = pydantic.json_schema.models_json_schema, dict[Any, Any]()

    def schemas(models: Any, **how: Any) -> Any:
        key = tuple(models), tuple(how.items())
        if key not in made:
            made[key] = make(models, **how)
        return made[key]

    return schemas


@contextmanager
def shared_trust() -> Iterator[None]:
    """Share the default authorities among all HTTP clients of this process that trust them."""
    default: Any = httpx._transports.default
    create, found = default.create_ssl_context, dict[bool, ssl.SSLContext]()

    def sharing(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert:
            fresh: ssl.SSLContext = create(verify, cert, trust_env)
            return fresh
        if trust_env not in found:
            found[trust_env] = create(True, None, trust_env)
        return found[trust_env]

    with patch.object(default, "create_ssl_context", sharing):
        yield


def forget_apps() -> None:
    """Make FastAPI forget the callables of apps that have ended."""
    for value in vars(sys.modules.get("fastapi.dependencies.models", object)).values():
        if clear := getattr(value, "cache_clear", None):
            clear()


def spare_imports() -> None:
    """Exempt permanent objects from garbage collection."""
    gc.freeze()  # including a little garbage: finding it would take a second
    gc.set_threshold(100_000, 20, 20)  # an app alone is more than Python's usual 700 objects
    gc.enable()
