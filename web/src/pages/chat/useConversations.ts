import { useCallback, useEffect, useState } from "react";
import { type Api, explain } from "../../api/client";
import type { Conversation } from "../../api/types";

interface Conversations {
  readonly items: readonly Conversation[];
  readonly hasMore: boolean;
  readonly error: string | null;
  readonly refresh: () => Promise<void>;
  readonly more: () => Promise<void>;
  readonly remove: (id: string) => Promise<void>;
}

/** The list at the left, newest first. */
export function useConversations(api: Api): Conversations {
  const [items, setItems] = useState<readonly Conversation[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);

  const attempt = useCallback(async (action: () => Promise<void>) => {
    try {
      await action();
      setError(null);
    } catch (reason) {
      setError(explain(reason));
    }
  }, []);
  const refresh = useCallback(
    () =>
      attempt(async () => {
        const page = await api.listConversations();
        setItems((known) => merge(page.items, page.nextCursor ? known : []));
        setCursor((known) => known ?? page.nextCursor);
      }),
    [api, attempt],
  );
  const more = () =>
    attempt(async () => {
      const page = await api.listConversations(cursor);
      setItems((known) => merge(known, page.items));
      setCursor(page.nextCursor);
    });
  const remove = (id: string) =>
    attempt(async () => {
      await api.deleteConversation(id);
      setItems((known) => known.filter((item) => item.id !== id));
    });

  useEffect(() => void refresh(), [refresh]);
  return { items, hasMore: cursor !== null, error, refresh, more, remove };
}

/** `first`, then what only `second` has. */
function merge(first: readonly Conversation[], second: readonly Conversation[]): readonly Conversation[] {
  const ids = new Set(first.map((item) => item.id));
  return [...first, ...second.filter((item) => !ids.has(item.id))];
}
