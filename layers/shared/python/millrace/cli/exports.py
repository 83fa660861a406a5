"""`millrace exports`"""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from millrace.api.schemas.exports import ExportPartView
from millrace.cli.session import options_of

app = typer.Typer(no_args_is_help=True)
COLUMNS = {
    "ID": "id",
    "USER": "userId",
    "STATE": "state",
    "ITEMS": "items",
    "PARTS": "parts",
    "BYTES": "size",
}
ExportId = Annotated[str, typer.Argument()]


@app.command("create")
def create(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="The user's id.")] = None,
    organization: Annotated[str | None, typer.Option(help="The name of your organization.")] = None,
) -> None:
    """Export all data of a user or of the organization."""
    if (user is None) == (organization is None):
        raise typer.BadParameter("Pass --user or --organization.")
    options = options_of(context)
    with options.client() as client:
        made = (
            client.exports.create(user)
            if user is not None
            else client.exports.create_for_organization(organization or "")
        )
        options.output.document(made)


@app.command("list")
def list_exports(context: typer.Context) -> None:
    """List exports that are in progress or can be downloaded."""
    options = options_of(context)
    with options.client() as client:
        options.output.rows(client.exports.list().items, COLUMNS)


@app.command("show")
def show(context: typer.Context, export_id: ExportId) -> None:
    """Show the progress of an export."""
    options = options_of(context)
    with options.client() as client:
        options.output.document(client.exports.get(export_id))


@app.command("download")
def download(
    context: typer.Context,
    export_id: ExportId,
    to: Annotated[Path, typer.Option(help="The folder for the archives.")] = Path(),
) -> None:
    """Download the archives of an export, except those that already exist."""
    options = options_of(context)
    with options.client() as client:
        if client.exports.get(export_id).state == "running":
            options.output.note("The export is still in progress; repeat this for the remaining parts.")
        to.mkdir(parents=True, exist_ok=True)
        for part in client.exports.parts(export_id, limit=10):  # URLs are valid for 15 minutes
            target = to / Path(part.name).name
            if not (target.exists() and target.stat().st_size == part.size):
                _download(part, target)
            print(target)


def _download(part: ExportPartView, target: Path) -> None:
    unfinished = target.with_suffix(".unfinished")
    with httpx.stream("GET", part.download_url, timeout=60) as answer:
        if answer.is_error:
            raise ValueError(f"{part.name} cannot be downloaded: status {answer.status_code}. Try again.")
        with unfinished.open("wb") as file:
            for chunk in answer.iter_raw():
                file.write(chunk)
    unfinished.replace(target)


@app.command("delete")
def delete(context: typer.Context, export_id: ExportId) -> None:
    """Cancel an export, or delete a finished one."""
    options = options_of(context)
    with options.client() as client:
        client.exports.delete(export_id)
