"""The rules by which an agent's tools ask a person before they run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from millrace.domain.agents import Agent, ToolUse
from millrace.domain.approvals import ASK_USER, AskWhen
from millrace.errors import InvalidRequest

SUB_AGENT = "agent:"
ANY = "*"
Asks = Callable[[dict[str, Any]], bool]


class ToolRules:
    """The rules of an agent by the names that its model uses; `names` has the name of each sub-agent's
    tool."""

    def __init__(self, uses: Iterable[ToolUse], names: dict[str, str]) -> None:
        asking = {_shown_name(use.name, names): use for use in uses if use.asks}
        self._exact = {name: use for name, use in asking.items() if not name.endswith(ANY)}
        starts = {name.removesuffix(ANY): use for name, use in asking.items() if name.endswith(ANY)}
        # the most specific rule wins
        self._servers = dict(sorted(starts.items(), key=lambda one: -len(one[0])))
        self._compiled: dict[str, Asks] = {}

    def __bool__(self) -> bool:
        """Return False if nothing ever asks."""
        return bool(self._exact or self._servers)

    def rule_for(self, tool: str, arguments: dict[str, Any]) -> ToolUse | None:
        """Return the rule by which this call needs an approval, or None if it may run."""
        use = self.use_for(tool)
        return use if use and self.must_ask(use, arguments) else None

    def use_for(self, tool: str) -> ToolUse | None:
        """Return the rule of a tool whose calls may need an approval, whatever the arguments."""
        return self._exact.get(tool) or self._by_server(tool)

    def _by_server(self, tool: str) -> ToolUse | None:
        return next((use for prefix, use in self._servers.items() if tool.startswith(prefix)), None)

    def must_ask(self, use: ToolUse, arguments: dict[str, Any]) -> bool:
        """Return whether a rule requires an approval for these arguments."""
        if not isinstance(use.policy, AskWhen):
            return True
        source = use.policy.ask
        if source not in self._compiled:
            self._compiled[source] = compile_rule(source)
        return self._compiled[source](arguments)


def compile_rule(source: str) -> Asks:
    """Compile an expression over arguments to a test that asks unless the expression is false.

    If that cannot be determined, a person decides. Raises `InvalidExpression`.
    """
    # Imported here, because only agents with such a rule need the expression engine.
    from millrace.pipelines.expressions.certainty import compile_condition

    verdict = compile_condition(source)
    return lambda arguments: verdict(arguments) is not False


def asked_by(agent: Agent) -> list[str]:
    """Return the ids of the agents that an agent may ask."""
    return [name.removeprefix(SUB_AGENT) for name in agent.tool_names if name.startswith(SUB_AGENT)]


def check_rules(uses: Sequence[ToolUse], servers: Iterable[str], longest: int) -> None:
    """Raise `InvalidRequest` for rules that could never work.

    They name a tool that no server has, have an invalid expression, or exceed the `longest` time in seconds.
    """
    named = [use.name for use in uses]
    known = set(servers)
    for at, use in enumerate(uses):
        path = f"tools.{at}"
        if use.name in named[:at]:
            raise _invalid(path, f"{use.name!r} is listed twice; give it one entry.")
        if use.expires is not None and use.expires > longest:
            raise _invalid(f"{path}.expires", f"A call may wait at most {longest:,} seconds.")
        if use.name == ASK_USER and use.asks:
            raise _invalid(f"{path}.policy", "ask_user always asks; omit its policy.")
        if _is_mcp(use.name):
            _check_mcp(path, use, known)
        if isinstance(use.policy, AskWhen):
            _check_expression(f"{path}.policy.ask", use.policy.ask)


def is_mcp_rule(use: ToolUse) -> bool:
    """Return whether an entry is a rule for MCP tools, rather than a tool itself."""
    return _is_mcp(use.name)


def _is_mcp(name: str) -> bool:
    return "__" in name and not name.startswith(SUB_AGENT)


def _check_mcp(path: str, use: ToolUse, servers: set[str]) -> None:
    server = use.name.partition("__")[0]
    if server not in servers:
        known = ", ".join(sorted(servers)) or "none"
        raise _invalid(f"{path}.name", f"This agent has no MCP server {server!r}; it has: {known}.")
    if not use.asks:
        raise _invalid(f"{path}.policy", "Tools of MCP servers may be listed here only with a policy.")


def _check_expression(path: str, source: str) -> None:
    from millrace.pipelines.errors import InvalidExpression

    try:
        compile_rule(source)
    except InvalidExpression as error:
        raise InvalidRequest(
            f"{path}: {error.message}",
            code=error.code,
            path=path,
            line=error.line,
            column=error.column,
        ) from None


def _shown_name(name: str, names: dict[str, str]) -> str:
    if name.startswith(SUB_AGENT):
        return names.get(name.removeprefix(SUB_AGENT), name)
    return _mcp_name(name) if _is_mcp(name) else name


def _mcp_name(name: str) -> str:
    """Return the name that the model uses, also if a rule has the server's own name of the tool."""
    from millrace.agent.tools.mcp import name_start, tool_name

    if name.endswith(ANY):
        return name_start(name.removesuffix(ANY)) + ANY
    server, _, tool = name.partition("__")
    return tool_name(server, tool)


def _invalid(path: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {message}", code="invalid_tools", path=path)
