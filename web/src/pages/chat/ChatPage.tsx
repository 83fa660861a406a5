import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { Millrace, Schemas } from "@millrace/client";
import { ChatSession } from "../../chat/session";
import { useApi } from "../../app/context";
import { useDocumentTitle } from "../../ui/Page";
import { FilesContext } from "./Attachments";
import { ChatView } from "./ChatView";
import { Icon } from "../../ui/Icon";
import { newConversationId, useConversationId } from "./route";
import { Sidebar } from "./Sidebar";
import { type AgentChoice, useAgents } from "./useAgents";
import { useConversations } from "./useConversations";
import { toast } from "../../ui/toast";
import { useVoice } from "./useVoice";
import { VoiceMenu } from "./VoiceMenu";
import "./chat.css";

type Conversation = Schemas["Conversation"];

/** How long the page offers to undo a deletion. The server keeps the conversation for ten minutes. */
const UNDO_MS = 15_000;

/** The list of conversations, and the selected one. */
export default function ChatPage(): ReactNode {
  const api = useApi();
  useDocumentTitle("Chat");
  const routeId = useConversationId();
  const navigate = useNavigate();
  const open = (conversationId: string) => void navigate({ to: "/chat/$conversationId", params: { conversationId } });
  const [draftId, setDraftId] = useState(newConversationId);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const [pickedAgentId, setPickedAgentId] = useState<string | null>(null);
  const agents = useAgents(api);
  const conversations = useConversations(api);
  const id = routeId ?? draftId;
  const [loaded, setLoaded] = useState<Conversation | null>(null);
  const voice = useVoice(api, id);
  const session = useSession(api, id, id === draftId, {
    onLoaded: setLoaded,
    onRunChange: () => void conversations.refresh(),
    onStart: (runId) => voice.preferences.isAutomatic && voice.speakRun(runId),
  });
  // A draft that has become a conversation is stored, so it is loaded when the user returns.
  useEffect(() => setDraftId((draft) => (draft === routeId ? draft : newConversationId())), [routeId]);

  // The list has only the newest conversations, but an address may be that of an older one.
  const stored = [...conversations.items, loaded].find((conversation) => conversation?.id === id);
  const picked = agents.find((one) => one.id === pickedAgentId) ?? agents[0] ?? null;
  const agent = stored ? agentOf(stored, agents) : picked;
  const startNew = () => {
    void navigate({ to: "/chat" });
    setMenuOpen(false);
  };
  const remove = async (conversation: Conversation) => {
    if (!(await conversations.remove(conversation.id))) return;
    if (conversation.id === id) startNew();
    toast(`“${conversation.title || "Untitled"}” is deleted.`, {
      duration: UNDO_MS,
      action: { label: "Undo", onClick: () => void conversations.restore(conversation) },
    });
  };
  return (
    <FilesContext.Provider value={api}>
    <div className="workspace" data-menu={isMenuOpen ? "open" : "closed"}>
      <Sidebar
        conversations={conversations.items}
        hasMore={conversations.hasMore}
        isLoading={conversations.isLoading}
        query={conversations.query}
        error={conversations.error}
        currentId={routeId}
        onSearch={conversations.search}
        onMore={() => void conversations.more()}
        onRename={(renamedId, title) => void conversations.rename(renamedId, title)}
        onDelete={(conversation) => void remove(conversation)}
        onNew={startNew}
        onPick={() => setMenuOpen(false)}
      />
      <div className="scrim" aria-hidden="true" onClick={() => setMenuOpen(false)} />
      <main id="main">
        <header className="chat-bar">
          <MenuButton isOpen={isMenuOpen} onToggle={() => setMenuOpen(!isMenuOpen)} />
          <AgentPicker agents={agents} agent={agent} isFixed={Boolean(stored)} onPick={setPickedAgentId} />
          <VoiceMenu api={api} voice={voice} />
        </header>
        <ChatView
          conversationId={id}
          session={session}
          agent={agent}
          voice={voice}
          onSend={() => routeId !== id && open(id)}
        />
      </main>
    </div>
    </FilesContext.Provider>
  );
}

/** An agent that is no longer in the list keeps its conversations. */
function agentOf({ agentId }: Conversation, agents: readonly AgentChoice[]): AgentChoice {
  return agents.find((agent) => agent.id === agentId) ?? { id: agentId, name: agentId };
}

interface SessionNews {
  readonly onLoaded: (conversation: Conversation) => void;
  readonly onRunChange: () => void;
  readonly onStart: (runId: string) => void;
}

/** Returns the session of conversation `id`. A draft has nothing to load, even after its first message. */
function useSession(api: Millrace, id: string, isDraft: boolean, news: SessionNews): ChatSession {
  const latest = useRef(news);
  latest.current = news;
  const session = useMemo(
    () =>
      new ChatSession({
        api,
        conversationId: id,
        schedule: (flush) => void requestAnimationFrame(flush),
        onLoaded: (conversation) => latest.current.onLoaded(conversation),
        onRunChange: () => latest.current.onRunChange(),
        onStart: (runId) => latest.current.onStart(runId),
      }),
    [api, id],
  );
  useEffect(() => {
    if (!isDraft) void session.load();
    return () => session.close();
  }, [session, isDraft]);
  return session;
}

function MenuButton({ isOpen, onToggle }: { isOpen: boolean; onToggle: () => void }): ReactNode {
  return (
    <button
      type="button"
      className="bare menu"
      aria-label="Conversations"
      aria-expanded={isOpen}
      aria-controls="sidebar"
      onClick={onToggle}
    >
      <Icon name={isOpen ? "close" : "menu"} />
    </button>
  );
}

interface AgentPickerProps {
  readonly agents: readonly AgentChoice[];
  readonly agent: AgentChoice | null;
  readonly isFixed: boolean;
  readonly onPick: (id: string) => void;
}

/** `demo:` and `echo:` are agents without a model. */
function hasModelName({ model = "" }: AgentChoice): boolean {
  return !model.endsWith(":");
}

/** A conversation keeps its agent; only a new one can choose it. */
function AgentPicker({ agents, agent, isFixed, onPick }: AgentPickerProps): ReactNode {
  if (!agent) return null;
  if (isFixed || agents.length < 2) {
    return (
      <p className="agent">
        {agent.name} {hasModelName(agent) && <span className="muted">{agent.model}</span>}
      </p>
    );
  }
  return (
    <select className="agent" aria-label="Agent" value={agent.id} onChange={(event) => onPick(event.target.value)}>
      {agents.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}
