"""The server of a2a-sdk around the openai package, as its documents show."""

import os

import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard
from openai import AsyncOpenAI
from starlette.applications import Starlette

client = AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="k")


class Answering(AgentExecutor):
    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        task = new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        stream = await client.chat.completions.create(
            model=os.environ["MODEL"],
            messages=[{"role": "user", "content": context.get_user_input()}],
            stream=True,
        )
        appended = False
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                await updater.add_artifact([new_text_part(text)], "answer", append=appended, last_chunk=False)
                appended = True
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        raise NotImplementedError


card = AgentCard(
    name="Bench", description="Bench", version="1", capabilities=AgentCapabilities(streaming=True)
)
handler = DefaultRequestHandler(Answering(), InMemoryTaskStore(), card)
app = Starlette(routes=create_jsonrpc_routes(handler, "/a2a"))

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
