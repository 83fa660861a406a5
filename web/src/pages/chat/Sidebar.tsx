import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import type { Conversation } from "../../api/types";
import { Icon } from "../../ui/Icon";

interface SidebarProps {
  readonly conversations: readonly Conversation[];
  readonly hasMore: boolean;
  readonly error: string | null;
  readonly currentId: string | null;
  readonly onMore: () => void;
  readonly onDelete: (id: string) => void;
  readonly onNew: () => void;
  readonly onPick: () => void;
}

export function Sidebar(props: SidebarProps): ReactNode {
  return (
    <nav className="sidebar" id="sidebar" aria-label="Conversations">
      <button type="button" className="new" onClick={props.onNew}>
        <Icon name="plus" /> New conversation
      </button>
      {props.error && (
        <p className="line" role="alert">
          {props.error}
        </p>
      )}
      <ul>
        {props.conversations.map((conversation) => (
          <Item key={conversation.id} conversation={conversation} {...props} />
        ))}
      </ul>
      {props.hasMore && (
        <button type="button" className="quiet" onClick={props.onMore}>
          Show more
        </button>
      )}
    </nav>
  );
}

type ItemProps = Pick<SidebarProps, "currentId" | "onDelete" | "onPick"> & { readonly conversation: Conversation };

function Item({ conversation, currentId, onDelete, onPick }: ItemProps): ReactNode {
  const [isAsking, setAsking] = useState(false);
  const title = conversation.title || "Untitled";
  const isCurrent = conversation.id === currentId;
  return (
    <li className="item" aria-current={isCurrent ? "page" : undefined}>
      <Link
        to="/chat/$conversationId"
        params={{ conversationId: conversation.id }}
        activeProps={{}}
        onClick={onPick}
        title={title}
      >
        {conversation.activeRunId && <span className="running" role="img" aria-label="Answering" />}
        <span className="item-title">{title}</span>
      </Link>
      {isAsking ? (
        <button
          type="button"
          className="danger"
          autoFocus
          onBlur={() => setAsking(false)}
          onClick={() => onDelete(conversation.id)}
        >
          Delete?
        </button>
      ) : (
        <button type="button" className="bare" aria-label={`Delete ${title}`} onClick={() => setAsking(true)}>
          <Icon name="trash" />
        </button>
      )}
    </li>
  );
}
