"""Parts that the adapters of LangChain and LangGraph share, based on the package `langchain-core`."""
