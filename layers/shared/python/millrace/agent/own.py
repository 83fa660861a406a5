"""The deployment's own tools and agents, from the packages in its folder `app/`.

They are loaded when a function starts, so that a mistake in them is an error of the deployment, not of the
first call.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from millrace.agent.code.agent import CODE_AGENTS, agent_of
from millrace.agent.tools.builtin import BUILT_IN, OWN_TOOLS
from millrace.agent.tools.own import tool_of
from millrace.domain.agents import BUILTIN_AGENTS, OWN_AGENTS


class InvalidApp(Exception):
    """The deployment's code cannot be used. The message says where, and what to do."""


def load_own_code(packages: str) -> None:
    """Import the packages, whose names are separated by commas, with all modules in them, and register their
    tools and agents for this process. Raises `InvalidApp`."""
    names = [name.strip() for name in packages.split(",") if name.strip()]
    for module in [module for name in names for module in _modules(name)]:
        for value in list(vars(module).values()):
            _add(value, module)


def _modules(name: str) -> Iterator[ModuleType]:
    package = _imported(name)
    yield package
    for one in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
        yield _imported(one.name)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        remedy = (
            "is it a folder in app/?" if error.name == name else "is its package in app/requirements.txt?"
        )
        raise InvalidApp(
            f"{name} cannot be imported: the module {error.name} does not exist; {remedy}"
        ) from error
    except Exception as error:
        raise InvalidApp(f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _add(value: Any, module: ModuleType) -> None:
    if tool := tool_of(value):
        _add_once(OWN_TOOLS, tool.name, tool, "tool", module, BUILT_IN)
    elif agent := agent_of(value):
        _add_once(CODE_AGENTS, agent.id, agent, "agent", module, BUILTIN_AGENTS)
        OWN_AGENTS[agent.id] = agent.record()


def _add_once(
    known: dict[str, Any], name: str, one: Any, kind: str, module: ModuleType, ours: Mapping[str, Any]
) -> None:
    """Add a tool or an agent. The same one may be found several times, as modules import it from each
    other."""
    if name in ours or known.setdefault(name, one) is not one:
        raise InvalidApp(
            f"{module.__name__}: the name of the {kind} {name!r} is taken"
            f"{' by one that comes with Millrace' if name in ours else ''}; give this one another name."
        )
