"""Limits functions on one machine to the AWS services that are deployed with them.

`make build` cuts botocore's models to the services that are called, so without this `boto3.client("ses")`
would work here and fail on AWS. Python imports this module automatically if its folder is on the path.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LOADERS = "botocore.loaders"


class _Finder(MetaPathFinder):
    """Changes botocore's loader of service models when it is imported."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != LOADERS:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                limit(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def limit(loaders: Any) -> None:
    """Let a loader find only the deployed services."""
    load = loaders.Loader.load_service_model

    def load_service_model(self: Any, service: str, *args: Any, **kwargs: Any) -> Any:
        if service not in deployed():
            raise ServiceNotDeployed(
                f"The AWS service {service!r} is not deployed with the functions. Name it in "
                f"app/template.yaml: Services: [{service}]"
            )
        return load(self, service, *args, **kwargs)

    loaders.Loader.load_service_model = load_service_model


class ServiceNotDeployed(Exception):
    """A service whose model `make build` leaves out."""


def deployed() -> set[str]:
    """Return the services whose models are deployed."""
    from millrace.stores.aws import FOR_CREDENTIALS, SERVICES

    named = os.environ.get("APP_SERVICES", "").split(",")
    return {*SERVICES, *FOR_CREDENTIALS, *filter(None, named)}


sys.meta_path.insert(0, _Finder())
