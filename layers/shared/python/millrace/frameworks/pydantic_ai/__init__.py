"""Agents of pydantic-ai behind our streams: `pip install 'millrace[pydantic-ai]'`.

    from pydantic_ai import Agent
    from millrace.frameworks.pydantic_ai import pydantic_ai_agent

    support = Agent("openai:gpt-5", instructions="Be brief.", tools=[...])
    clerk = pydantic_ai_agent("clerk", support)

Each answer of the model and each result of a tool is stored. A process that takes over the run uses them, and
does not call the model or tool again. Live messages are added before the next model call.
"""

from millrace.frameworks import extra

with extra("pydantic-ai", "pydantic-ai"):
    from millrace.frameworks.pydantic_ai.agent import pydantic_ai_agent

__all__ = ["pydantic_ai_agent"]
