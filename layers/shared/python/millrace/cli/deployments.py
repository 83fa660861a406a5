"""Commands for operators of a deployment, each of which is also a module."""

from collections.abc import Callable

import typer

from millrace.project import commands as project


def cost(context: typer.Context) -> None:
    """Compute a month's cost on AWS (`millrace cost --help`)."""
    from millrace.cost.__main__ import main

    raise typer.Exit(main(context.args))


def serve(context: typer.Context) -> None:
    """Serve all functions with URLs in one process (`millrace serve --help`)."""
    from millrace.serve.__main__ import main

    raise typer.Exit(main(context.args))


def of_project(name: str) -> Callable[[typer.Context], None]:
    """Return a command of a project that ignores the global options before it."""

    def run(context: typer.Context) -> None:
        raise typer.Exit(project.main([name, *context.args]))

    return run
