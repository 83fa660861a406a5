"""The app of the conversation function, streamed."""

from starlette.applications import Starlette

from millrace.api.ag_ui import AgUi
from millrace.api.approvals import Approvals
from millrace.api.branches import Branches
from millrace.api.chat import Chat
from millrace.api.conversations import Conversations
from millrace.api.endpoint import Endpoint
from millrace.api.files import Files
from millrace.api.memories import Memories
from millrace.api.messages import Messages
from millrace.api.openai_chat import OpenAiChat
from millrace.api.openai_responses import OpenAiResponses
from millrace.api.runs import Runs
from millrace.api.shares import Shares
from millrace.api.streamed_app import streamed_app
from millrace.api.streams import Streams
from millrace.api.tickets import callers
from millrace.services.runs.platform import Platform
from millrace.settings import Settings


def create_app(settings: Settings, platform: Platform | None = None) -> Starlette:
    """Create the app. Clients that every request needs are created now, during init."""
    platform = platform or Platform.make(settings)
    platform.warm()
    stores = platform.stores
    return streamed_app(
        endpoints(platform), callers(settings, stores), stores, platform.close, settings.hop_limit
    )


def endpoints(platform: Platform) -> list[Endpoint]:
    """Return the endpoints of the function."""
    return [
        *Conversations(platform).endpoints(),
        *Messages(platform).endpoints(),
        *Branches(platform).endpoints(),
        *Shares(platform.stores).endpoints(),
        *Streams(platform.stores).endpoints(),
        *Runs(platform.stores, platform.settings.events_table).endpoints(),
        *Memories(platform.stores).endpoints(),
        *Files(platform.stores).endpoints(),
        *Approvals(platform.stores).endpoints(),
        *AgUi(platform).endpoints(),
        *OpenAiChat(platform).endpoints(),
        *OpenAiResponses(platform).endpoints(),
        *Chat(platform).endpoints(),
    ]
