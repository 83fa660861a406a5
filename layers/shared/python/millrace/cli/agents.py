"""`millrace agents`"""

from typing import Annotated

import typer

from millrace.cli.session import options_of

app = typer.Typer(no_args_is_help=True)
COLUMNS = {"ID": "id", "NAME": "name", "MODEL": "model", "VISIBILITY": "visibility"}


@app.command("list")
def list_agents(context: typer.Context) -> None:
    """List agents."""
    options = options_of(context)
    with options.client() as client:
        options.output.rows(client.agents.list(), COLUMNS)


@app.command("show")
def show(context: typer.Context, agent_id: Annotated[str, typer.Argument()]) -> None:
    """Show an agent."""
    options = options_of(context)
    with options.client() as client:
        options.output.document(client.agents.get(agent_id))
