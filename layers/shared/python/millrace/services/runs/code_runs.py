"""Runs of agents in code: the arguments of their functions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from millrace.agent.code.agent import CODE_AGENTS
from millrace.agent.code.attachments import MessageText
from millrace.agent.code.context import AgentContext
from millrace.agent.code.model import AgentModel
from millrace.agent.code.record import Said
from millrace.agent.code.run import CodeRun
from millrace.agent.control import RunControl
from millrace.agent.emitter import Emitter
from millrace.agent.model_calls import ModelCalls
from millrace.agent.tools.tool import ToolContext
from millrace.domain.agents import Agent
from millrace.services.runs.agent_tools import sub_agent_tools
from millrace.services.runs.tool_rules import asked_by

if TYPE_CHECKING:
    from millrace.services.runs.agent_run import AgentRunContext


def code_run(
    run_context: "AgentRunContext",
    agent: Agent,
    code_id: str,
    context: ToolContext,
    emitter: Emitter,
    control: RunControl,
) -> CodeRun:
    """Return the run of an agent's function, for its loop."""
    code = CODE_AGENTS[code_id]
    models = run_context.platform.models
    asks = agent.model_copy(update={"model": code.model})
    calls = ModelCalls(run_context.budget, run_context.session.bus.add)

    def begin(run: CodeRun, message: MessageText, history: Sequence[Said]) -> AgentContext:
        asked = asks.model_copy(update={"model": models.name_of(asks)})
        model = AgentModel(
            run, asked, models.provider_for, calls, run_context.budget, control, run_context.attachments
        )
        return AgentContext(run, agent, context, model, message, history, sub_agent_tools(asked_by(agent)))

    return CodeRun(code, context.run_id, begin, emitter, alone=run_context.depth > 0, load=run_context.load)
