"""Graphs of LangGraph behind our streams: `pip install 'millrace[langgraph]'`.

    from langgraph.graph import END, START, MessagesState, StateGraph
    from millrace.frameworks.langgraph import langgraph_agent

    graph = StateGraph(MessagesState)...compile()
    support = langgraph_agent("support", graph)

The checkpoints are kept with the conversation. A process that takes over the run continues with the
unfinished nodes, and what those had said is taken back. Interrupts are questions to people.
"""

from millrace.frameworks import extra

with extra("langgraph", "LangGraph"):
    from millrace.frameworks.langgraph.agent import langgraph_agent
    from millrace.frameworks.langgraph.checkpoints import Checkpoints

__all__ = ["Checkpoints", "langgraph_agent"]
