"""FastAPI through Mangum, as the product's buffered functions are."""

from fastapi import FastAPI
from mangum import Mangum

_app = FastAPI()


@_app.post("/asgi/add")
def add(numbers: list[int]) -> dict[str, int]:
    return {"sum": sum(numbers)}


@_app.get("/.well-known/asgi.json")
def card() -> dict[str, str]:
    return {"name": "card"}


handler = Mangum(_app, lifespan="off")
