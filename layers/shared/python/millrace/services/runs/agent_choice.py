"""The agent of a message, adapted to the run that the message begins."""

from millrace.domain.agents import Agent
from millrace.services.runs.initial_state import InitialState
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage


def agent_for(models: Models, initial: InitialState, message: NewMessage) -> Agent:
    """Return the agent with the message's settings for its own run.

    Raises `InvalidRequest` or `Unavailable` for a run that could not begin, before anything is stored or
    stopped.
    """
    agent = initial.required_agent()
    if message.response_schema is not None:
        agent = agent.model_copy(update={"response_schema": message.response_schema})
    message.options.check(agent)
    agent = message.options.apply(agent)
    models.provider_for(agent)
    models.compactor_for(agent)
    return agent
