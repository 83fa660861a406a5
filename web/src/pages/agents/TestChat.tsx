import { ConflictError, type Millrace } from "@millrace/client";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { ChatSession } from "../../chat/session";
import { useApi } from "../../app/context";
import { FilesContext } from "../chat/Attachments";
import { ChatView } from "../chat/ChatView";
import { newConversationId } from "../chat/route";
import { useVoice } from "../chat/useVoice";
import type { AgentView } from "./model";
import "../chat/chat.css";

/** A conversation to try the saved agent. */
export function TestChat({ agent }: { agent: AgentView }): ReactNode {
  const api = useApi();
  const [id, setId] = useState(newConversationId);
  const session = useMemo(
    () =>
      new ChatSession({
        api,
        conversationId: id,
        // Test conversations are not listed.
        prepare: maker(api, id, agent.id),
        schedule: (flush) => void requestAnimationFrame(flush),
        onLoaded: () => undefined,
        onRunChange: () => undefined,
        onStart: () => undefined,
      }),
    [api, id, agent.id],
  );
  useEffect(() => () => session.close(), [session]);
  const voice = useVoice(api, id);
  const shown = useMemo(() => ({ ...agent, model: agent.model ?? "", description: agent.description ?? "" }), [agent]);
  return (
    <section className="card test-chat" aria-label="Test chat">
      <header className="test-chat-head">
        <h2>Test chat</h2>
        <button type="button" className="quiet" onClick={() => setId(newConversationId())}>
          Start over
        </button>
      </header>
      <FilesContext.Provider value={api}>
        <ChatView
          conversationId={id}
          session={session}
          agent={shown}
          voice={voice}
          onSend={() => undefined}
          takesFocus={false}
        />
      </FilesContext.Provider>
    </section>
  );
}

/** Creates the conversation once. */
function maker(api: Millrace, id: string, agentId: string): () => Promise<void> {
  let isMade = false;
  return async () => {
    if (!isMade) await create(api, id, agentId);
    isMade = true;
  };
}

async function create(api: Millrace, id: string, agentId: string): Promise<void> {
  try {
    await api.conversations.create({ id, agentId, listed: false });
  } catch (error) {
    // The response to an earlier attempt was lost.
    if (!(error instanceof ConflictError && error.code === "conversation_exists")) throw error;
  }
}
