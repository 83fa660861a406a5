"""A FastAPI app: streams, errors, background work."""

from collections.abc import AsyncIterator

from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()


async def words(fail: bool) -> AsyncIterator[str]:
    yield "one "
    yield "two "
    if fail:
        raise RuntimeError("lost the model")


@app.get("/words")
async def stream(fail: bool = False) -> StreamingResponse:
    return StreamingResponse(words(fail), media_type="text/plain")


@app.get("/fails")
async def fails() -> None:
    raise RuntimeError("in the handler")


@app.get("/later")
async def later(tasks: BackgroundTasks, fail: bool = False) -> dict[str, str]:
    tasks.add_task(background, fail)
    return {"answer": "now"}


def background(fail: bool) -> None:
    print("in the background")
    if fail:
        raise RuntimeError("too late")
