"""Agents of Strands behind our streams: `pip install 'millrace[strands]'`.

    from strands import Agent
    from millrace.frameworks.strands import strands_agent

    counter = Agent(tools=[letter_counter])
    clerk = strands_agent("clerk", counter)

Each answer of the model and each result of a tool is stored. A process that takes over the run uses them, and
does not call the model or tool again. Interrupts of hooks and tools are questions to people.
"""

from millrace.frameworks import extra

with extra("strands", "Strands"):
    from millrace.frameworks.strands.agent import strands_agent

__all__ = ["strands_agent"]
