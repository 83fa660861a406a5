"""The OpenAI Agents SDK behind FastAPI."""

import json
import os
from collections.abc import AsyncIterator

import uvicorn
from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)
client = AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="k")
model = OpenAIChatCompletionsModel(model=os.environ["MODEL"], openai_client=client)
agent = Agent(name="Bench", instructions="Answer.", model=model)
app = FastAPI()


class Message(BaseModel):
    content: str


@app.post("/chat")
async def chat(message: Message) -> StreamingResponse:
    async def tokens() -> AsyncIterator[str]:
        async for event in Runner.run_streamed(agent, message.content).stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                yield f"data: {json.dumps({'token': event.data.delta})}\n\n"

    return StreamingResponse(tokens(), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
