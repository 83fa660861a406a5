import { useCallback, useEffect, useRef, useState } from "react";
import type { Millrace, Schemas } from "@millrace/client";
import { explain } from "../../api/explain";

type Conversation = Schemas["Conversation"];

interface Conversations {
  readonly items: readonly Conversation[];
  readonly hasMore: boolean;
  /** The list or the search results have not been loaded yet. */
  readonly isLoading: boolean;
  readonly error: string | null;
  /** The words that titles must contain; empty for the whole list. */
  readonly query: string;
  readonly search: (query: string) => void;
  readonly refresh: () => Promise<void>;
  readonly more: () => Promise<void>;
  readonly rename: (id: string, title: string) => Promise<void>;
  /** Resolves to false if it failed. */
  readonly remove: (id: string) => Promise<boolean>;
  readonly restore: (conversation: Conversation) => Promise<void>;
}

const PAGE_SIZE = 30;
const TYPING_MS = 200;
/** How many pages without a hit a search skips automatically. */
const EMPTY_PAGES = 20;

/** The list of conversations, newest first, or the search results. */
export function useConversations(api: Millrace): Conversations {
  const [items, setItems] = useState<readonly Conversation[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [isLoading, setLoading] = useState(true);
  const [query, setQuery] = useState("");
  const current = useRef(query);
  current.current = query;

  const attempt = useCallback(async (action: () => Promise<void>): Promise<boolean> => {
    try {
      await action();
      setError(null);
      return true;
    } catch (reason) {
      setError(explain(reason));
      return false;
    }
  }, []);
  const refresh = useCallback(async () => {
    await attempt(async () => {
      const page = await pageOf(api, null, query);
      if (current.current !== query) return;
      setItems((known) => merge(page.items, page.nextCursor && !query ? known : []));
      setCursor((known) => (query ? page.nextCursor : (known ?? page.nextCursor)));
    });
    if (current.current === query) setLoading(false);
  }, [api, attempt, query]);
  const more = async () => {
    await attempt(async () => {
      const page = await pageOf(api, cursor, query);
      if (current.current !== query) return;
      setItems((known) => merge(known, page.items));
      setCursor(page.nextCursor);
    });
  };
  const rename = async (id: string, title: string) => {
    await attempt(async () => {
      const renamed = await api.conversations.update(id, { title });
      setItems((known) => known.map((item) => (item.id === id ? renamed : item)));
    });
  };
  const remove = (id: string) =>
    attempt(async () => {
      // It can be restored for ten minutes.
      await api.conversations.delete(id, { restorable: "true" });
      setItems((known) => known.filter((item) => item.id !== id));
    });
  const restore = async (conversation: Conversation) => {
    await attempt(async () => {
      const restored = await api.conversations.restore(conversation.id);
      setItems((known) => sorted(merge([restored], known)));
    });
  };
  const search = useCallback((wanted: string) => {
    setQuery(wanted.trim());
    setItems([]);
    setCursor(null);
    setLoading(true);
  }, []);

  useEffect(() => {
    const timer = setTimeout(() => void refresh(), query ? TYPING_MS : 0);
    return () => clearTimeout(timer);
  }, [refresh, query]);
  return { items, hasMore: cursor !== null, isLoading, error, query, search, refresh, more, rename, remove, restore };
}

/** A page of search results may be empty although more follow. */
async function pageOf(api: Millrace, cursor: string | null, query: string): Promise<Schemas["ConversationPage"]> {
  const listed = (from: string | null) => api.conversations.list({ limit: PAGE_SIZE, cursor: from, q: query || null });
  let page = await listed(cursor);
  for (let n = 0; n < EMPTY_PAGES && page.items.length === 0 && page.nextCursor; n += 1) page = await listed(page.nextCursor);
  return page;
}

/** Returns `first`, followed by the items that only `second` has. */
function merge(first: readonly Conversation[], second: readonly Conversation[]): readonly Conversation[] {
  const ids = new Set(first.map((item) => item.id));
  return [...first, ...second.filter((item) => !ids.has(item.id))];
}

function sorted(items: readonly Conversation[]): readonly Conversation[] {
  return items.toSorted((one, other) => other.updatedAt.localeCompare(one.updatedAt));
}
