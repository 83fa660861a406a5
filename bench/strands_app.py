"""Strands Agents behind FastAPI."""

import json
import os
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from strands import Agent
from strands.models.openai import OpenAIModel

app = FastAPI()


class Message(BaseModel):
    content: str


@app.post("/chat")
async def chat(message: Message) -> StreamingResponse:
    model = OpenAIModel(
        client_args={"base_url": os.environ["MODEL_URL"], "api_key": "k"}, model_id=os.environ["MODEL"]
    )

    async def tokens() -> AsyncIterator[str]:
        async for event in Agent(model=model, callback_handler=None).stream_async(message.content):
            if "data" in event:
                yield f"data: {json.dumps({'token': event['data']})}\n\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
