"""Tools and agents of the deployment's code, validated like those that are written through the API."""

from millrace.agent.code.agent import CODE_AGENTS
from millrace.agent.own import InvalidApp, load_own_code
from millrace.agent.tools.builtin import OWN_TOOLS
from millrace.agent.tools.tool import Tool
from millrace.domain.approvals import AskWhen
from millrace.errors import InvalidRequest
from millrace.services.runs.agent_tools import check_tools
from millrace.services.runs.tool_rules import compile_rule, is_mcp_rule


def load_checked(packages: str) -> None:
    """Load the packages in a comma-separated list.

    Raises `InvalidApp`, also for invalid rules and for tools that no agent can have.
    """
    load_own_code(packages)
    for tool in OWN_TOOLS.values():
        _check_rule(tool)
    for agent in CODE_AGENTS.values():
        try:
            check_tools([use.name for use in agent.record().tool_uses if not is_mcp_rule(use)])
        except InvalidRequest as error:
            raise InvalidApp(f"The agent {agent.id!r}: {error.message}") from error


def _check_rule(tool: Tool) -> None:
    if tool.rule is None or not isinstance(tool.rule.policy, AskWhen):
        return
    from millrace.pipelines.errors import InvalidExpression
    from millrace.pipelines.expressions.fields_read import WHOLE, expression_fields

    source = tool.rule.policy.ask
    try:
        compile_rule(source)
        read = expression_fields(source) - {WHOLE}
    except InvalidExpression as error:
        raise InvalidApp(f"The policy of the tool {tool.name!r}: {error.message}") from error
    if unknown := read - tool.parameters["properties"].keys():
        known, read_too = ", ".join(tool.parameters["properties"]) or "none", ", ".join(sorted(unknown))
        raise InvalidApp(
            f"The policy of the tool {tool.name!r} reads {read_too}, which is not an argument; its "
            f"arguments are {known}."
        )
