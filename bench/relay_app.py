"""The floor: Starlette passes the model's bytes on, and reads none of them."""

import os
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

client = httpx.AsyncClient(trust_env=False, timeout=60)


async def chat(request: Request) -> StreamingResponse:
    asked = {
        "model": os.environ["MODEL"],
        "messages": [{"role": "user", "content": (await request.json())["content"]}],
        "stream": True,
    }

    async def relay() -> AsyncIterator[bytes]:
        url = os.environ["MODEL_URL"] + "/chat/completions"
        async with client.stream("POST", url, json=asked) as answer:
            async for part in answer.aiter_raw():
                yield part

    return StreamingResponse(relay(), media_type="text/event-stream")


app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
