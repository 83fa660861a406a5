"""A function's process: its command line and environment variables, as on Lambda.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html lists the variables. The only addition
is AWS_ENDPOINT_URL, which botocore itself reads.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from local.deploy import Function
from local.ministack import SESSION_TOKEN, ClientArguments

_MANAGED_COMMAND = "/var/runtime/bootstrap.py"
# Variables that a process needs to run here; Lambda has its own values for them.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class FunctionProcessError(RuntimeError):
    """The function cannot be started as the template says. The message has the reason."""


def command(function: Function) -> list[str]:
    """Return the exec wrapper from a layer, or AWS's runtime interface client.

    Raises `FunctionProcessError`.
    """
    wrapper = function.environment.get("AWS_LAMBDA_EXEC_WRAPPER")
    if wrapper:
        return [str(_in_layers(function, wrapper)), sys.executable, _MANAGED_COMMAND]
    return [sys.executable, "-m", "awslambdaric", function.handler]


def _in_layers(function: Function, wrapper: str) -> Path:
    """Return the wrapper's path. /opt has all layers' files, but here each layer is a folder of its own."""
    for layer in function.source.layers:
        found = layer / wrapper.removeprefix("/opt/")
        if found.is_file() and os.access(found, os.X_OK):
            return found
    raise FunctionProcessError(
        f"{function.logical_id}: no layer has the executable {wrapper}, which AWS_LAMBDA_EXEC_WRAPPER names."
    )


def variables(
    function: Function, arguments: ClientArguments, runtime_api: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """Return all variables. Non-empty ones of `extra` override the function's own."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = function.environment | {name: value for name, value in extra.items() if value}
    return inherited | own | _reserved(function, arguments, runtime_api, extra)


def _reserved(
    function: Function, arguments: ClientArguments, runtime_api: str, extra: Mapping[str, str]
) -> dict[str, str]:
    region = arguments["region_name"]
    return {
        "_HANDLER": function.handler,
        "AWS_ACCESS_KEY_ID": arguments["aws_access_key_id"],
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": arguments["endpoint_url"],
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": f"[$LATEST]{uuid4().hex}",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": region,
        "AWS_SECRET_ACCESS_KEY": arguments["aws_secret_access_key"],
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "LAMBDA_TASK_ROOT": str(function.source.code),
        "LANG": "en_US.UTF-8",
        "PYTHONPATH": _import_path(function, extra),
        "TZ": ":UTC",
    }


def _import_path(function: Function, extra: Mapping[str, str]) -> str:
    layers = map(str, function.source.import_path())
    first = (extra.get("FUNCTIONS_PYTHONPATH"), function.environment.get("PYTHONPATH"))
    return os.pathsep.join([*filter(None, first), *layers])
