"""Runnables of LangChain behind our streams: `pip install 'millrace[langchain]'`.

    from langchain.agents import create_agent
    from millrace.frameworks.langchain import langchain_agent

    weather = langchain_agent("weather", create_agent("openai:gpt-5", tools=[get_weather]))

An agent of `create_agent` is a graph of LangGraph, and runs as one (see `langgraph`). Any other runnable is
followed by its events, and starts again if another process takes over its run.
"""

from millrace.frameworks import extra

with extra("langchain", "LangChain"):
    from millrace.frameworks.langchain.agent import langchain_agent

__all__ = ["langchain_agent"]
