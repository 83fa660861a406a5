import { useParams } from "@tanstack/react-router";

const ID = /^[A-Za-z0-9_.~-]{1,128}$/;

export function newConversationId(): string {
  return `c_${crypto.randomUUID()}`;
}

/** The conversation in the page's address; null for a new one. */
export function useConversationId(): string | null {
  const { conversationId } = useParams({ strict: false });
  return conversationId && ID.test(conversationId) ? conversationId : null;
}
