import type { Millrace, Schemas } from "@millrace/client";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useApi } from "../../app/context";
import { Loaded } from "../../ui/states";
import { usePages } from "../../ui/usePages";

type Found = Schemas["Conversation"];
type Match = Schemas["FoundMessage"];

/** How many pages without a hit a search skips automatically. */
const EMPTY_PAGES = 4;

/** Search results from messages, in addition to titles. */
export function FoundMessages({ query, onPick }: { query: string; onPick: () => void }): ReactNode {
  const api = useApi();
  const pages = usePages<Found>({
    queryKey: ["conversations", "text", query],
    fetchPage: (cursor, signal) => search(api, query, cursor, signal),
  });
  return (
    <section aria-label="In messages" className="found">
      <h2>In messages</h2>
      <Loaded query={pages}>
        {(found) => (
          <>
            {found.length === 0 && !pages.hasMore && <p className="line">No message contains these words.</p>}
            <ul>
              {found.flatMap((conversation) =>
                (conversation.matches ?? []).map((match) => (
                  <Hit key={match.messageId} conversation={conversation} match={match} query={query} onPick={onPick} />
                )),
              )}
            </ul>
            {pages.hasMore && (
              <button type="button" className="quiet" disabled={pages.isLoadingMore} onClick={pages.more}>
                {pages.isLoadingMore ? "Searching…" : "Search older conversations"}
              </button>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

/** A page may be empty although more follow, because each request reads a limited amount. */
async function search(api: Millrace, text: string, cursor: string | null, signal: AbortSignal): Promise<Schemas["ConversationPage"]> {
  let page = await api.conversations.list({ text, cursor, limit: 20, signal });
  for (let n = 0; n < EMPTY_PAGES && page.items.length === 0 && page.nextCursor; n += 1) {
    page = await api.conversations.list({ text, cursor: page.nextCursor, limit: 20, signal });
  }
  return page;
}

interface HitProps {
  readonly conversation: Found;
  readonly match: Match;
  readonly query: string;
  readonly onPick: () => void;
}

function Hit({ conversation, match, query, onPick }: HitProps): ReactNode {
  return (
    <li>
      <Link
        to="/chat/$conversationId"
        params={{ conversationId: conversation.id }}
        hash={match.role === "assistant" && match.runId ? match.runId : match.messageId}
        className="hit"
        onClick={onPick}
      >
        <span className="item-title" dir="auto">
          {conversation.title || "Untitled"}
        </span>
        <span className="snippet" dir="auto">
          {match.role === "assistant" ? "" : "You: "}
          <Marked text={match.snippet} words={query} />
        </span>
      </Link>
    </li>
  );
}

/** A text with the searched words highlighted. */
function Marked({ text, words }: { text: string; words: string }): ReactNode {
  const escaped = words.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pieces = text.split(new RegExp(`(${escaped.join("|")})`, "iu"));
  return pieces.map((piece, index) => (index % 2 ? <mark key={index}>{piece}</mark> : piece));
}
