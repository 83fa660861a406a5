"""Commands for those who run a deployment; each is a module of its own as well."""

import typer


def cost(context: typer.Context) -> None:
    """Compute a month on AWS (`millrace cost --help`)."""
    from millrace.cost.__main__ import main

    raise typer.Exit(main(context.args))


def serve(context: typer.Context) -> None:
    """Serve all functions with URLs in one process (`millrace serve --help`)."""
    from millrace.serve.__main__ import main

    raise typer.Exit(main(context.args))
