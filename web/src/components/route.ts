import { useSyncExternalStore } from "react";

const ROUTE = /^#\/c\/([A-Za-z0-9_.~-]{1,128})$/;

export function conversationHash(id: string): string {
  return `#/c/${id}`;
}

export function newConversationId(): string {
  return `c_${crypto.randomUUID()}`;
}

/** The conversation in the page's address; null for a new one. */
export function useConversationId(): string | null {
  return useSyncExternalStore(subscribe, () => ROUTE.exec(location.hash)?.[1] ?? null);
}

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}
