"""`millrace client FOLDER`: writes the TypeScript client as one file, for pages without a build, and a
config.json with the address of a deployment and how its users sign in."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from millrace.project.files import ProjectError, stack_folder
from millrace.project.within import address

BUNDLE = Path("sdk") / "typescript" / "dist" / "millrace.js"


def run(project: Path, arguments: Sequence[str]) -> int:
    """Write both files for the stack on this machine, or for the deployment at the given address."""
    if not arguments or len(arguments) > 2 or arguments[0].startswith("-"):
        raise ProjectError("Pass a folder: millrace client web [https://agents.example.com]")
    folder, url = project / arguments[0], (arguments[1] if len(arguments) == 2 else address()).rstrip("/")
    bundle = stack_folder() / BUNDLE
    if not bundle.is_file():
        raise ProjectError(
            f"{bundle} is missing. In a checkout, run `make {BUNDLE.with_name('index.js')}`; a package "
            "built by `make wheel` contains it."
        )
    config = page_config(url)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle, folder / "millrace.js")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"{arguments[0]}/millrace.js and {arguments[0]}/config.json are written, for {url}")
    return 0


def page_config(url: str) -> dict[str, Any]:
    """Return the address, the issuer, the client's id and, if users sign in by password, the pool's
    endpoint."""
    import httpx

    try:
        auth = httpx.get(f"{url}/config.json", timeout=10).raise_for_status().json()["auth"]
        given = {name: auth[name] for name in ("issuer", "clientId")}
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"{url}/config.json cannot be read ({error}): start the stack with `make run`."
        ) from error
    endpoint = str(auth.get("userPoolEndpoint", ""))
    absolute = f"{url}{endpoint}" if endpoint.startswith("/") else endpoint
    return {"baseUrl": url, "auth": given | ({"userPoolEndpoint": absolute} if endpoint else {})}
