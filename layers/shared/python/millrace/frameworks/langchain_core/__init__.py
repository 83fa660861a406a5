"""Parts that the adapters of LangChain and LangGraph share, on the package `langchain-core`."""
