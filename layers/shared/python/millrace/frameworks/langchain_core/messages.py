"""The conversation as messages of LangChain."""

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from millrace.app import AgentContext


def texts_before(ctx: AgentContext) -> list[AnyMessage]:
    """The conversation before the message, as its texts."""
    return [
        HumanMessage(one.text) if one.role == "user" else AIMessage(one.text)
        for one in ctx.history
        if one.text
    ]


def asked(text: str, id: str | None = None) -> HumanMessage:
    """A message of the user's."""
    return HumanMessage(text, id=id)
