"""Loading of the ASGI app that the function's `Handler` setting names."""

import gc
import importlib
import os
import sys
from pathlib import Path

from streaming_runtime.asgi import ASGIApp
from streaming_runtime.errors import SetupError
from streaming_runtime.handler_kinds import as_app


def extend_import_path() -> None:
    """Put the function and its layers on the import path, in the order of Lambda's managed runtime."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    root = os.environ.get("LAMBDA_TASK_ROOT") or str(Path.cwd())
    wanted = [root, f"/opt/python/lib/{version}/site-packages", "/opt/python", "/var/runtime"]
    sys.path[:] = wanted + [entry for entry in sys.path if entry not in wanted]


def parse_handler(handler: str) -> tuple[str, str]:
    """Return the module and attribute of `module:app`, `module.app` or `package/module.app`.

    Raises SetupError.
    """
    module, _, attribute = handler.rpartition(":" if ":" in handler else ".")
    module = module.removesuffix(".py").replace("/", ".").strip(".")
    if not module or not attribute.isidentifier():
        raise SetupError(
            "Runtime.MalformedHandlerName",
            f"bad handler {handler!r}: write `module.app` or `package.module.app`, `app` being the ASGI app",
        )
    return module, attribute


def load_app(handler: str) -> ASGIApp:
    """Import the app. Raises SetupError, or the module's own exception.

    Objects that modules create at import are not garbage, so the collector does not examine them then or
    later.
    """
    module, attribute = parse_handler(handler)
    gc.disable()
    try:
        app = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        message = f"unable to import module {module!r}: {error}"
        raise SetupError("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"syntax error in module {module!r}: {error}"
        raise SetupError("Runtime.UserCodeSyntaxError", message) from error
    finally:
        gc.freeze()
        gc.enable()
    if not callable(app):
        raise SetupError("Runtime.HandlerNotFound", f"module {module!r} has no ASGI app named {attribute!r}")
    return as_app(app, handler)
