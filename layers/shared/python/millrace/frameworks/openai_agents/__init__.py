"""Agents of the OpenAI Agents SDK behind our streams: `pip install 'millrace[openai-agents]'`.

    from agents import Agent
    from millrace.frameworks.openai_agents import openai_agent

    triage = Agent(name="Triage", instructions="Be brief.", handoffs=[...])
    desk = openai_agent("desk", triage)

Each answer of a model and each result of a function tool is stored. A process that takes over the run uses
them, and does not call the model or tool again. Tools with `needs_approval` ask people through our approvals.
"""

from millrace.frameworks import extra

with extra("openai-agents", "The OpenAI Agents SDK"):
    from millrace.frameworks.openai_agents.agent import openai_agent

__all__ = ["openai_agent"]
