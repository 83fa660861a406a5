"""FastAPI and the openai package: the first thing that most people write."""

import json
import os
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

client = AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="k")
app = FastAPI()


class Message(BaseModel):
    content: str


@app.post("/chat")
async def chat(message: Message) -> StreamingResponse:
    async def tokens() -> AsyncIterator[str]:
        stream = await client.chat.completions.create(
            model=os.environ["MODEL"],
            messages=[{"role": "user", "content": message.content}],
            stream=True,
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield f"data: {json.dumps({'token': text})}\n\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
