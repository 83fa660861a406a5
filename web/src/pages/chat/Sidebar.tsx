import { Link } from "@tanstack/react-router";
import { type KeyboardEvent, type ReactNode, useState } from "react";
import type { Schemas } from "@millrace/client";
import { Icon } from "../../ui/Icon";
import { Menu } from "../../ui/Menu";
import { Loading } from "../../ui/states";
import { groupByDay } from "./days";
import { FoundMessages } from "./FoundMessages";

type Conversation = Schemas["Conversation"];

interface SidebarProps {
  readonly conversations: readonly Conversation[];
  readonly hasMore: boolean;
  readonly isLoading: boolean;
  /** What is searched for; empty for the whole list. */
  readonly query: string;
  readonly error: string | null;
  readonly currentId: string | null;
  readonly onSearch: (query: string) => void;
  readonly onMore: () => void;
  readonly onRename: (id: string, title: string) => void;
  readonly onDelete: (conversation: Conversation) => void;
  readonly onNew: () => void;
  readonly onPick: () => void;
}

export function Sidebar(props: SidebarProps): ReactNode {
  const { conversations, query, hasMore } = props;
  return (
    <nav className="sidebar" id="sidebar" aria-label="Conversations">
      <button type="button" className="new" onClick={props.onNew}>
        <Icon name="plus" /> New conversation
      </button>
      <input
        type="search"
        className="search"
        aria-label="Search conversations"
        placeholder="Search"
        maxLength={200}
        onChange={(event) => props.onSearch(event.target.value)}
      />
      {props.error && (
        <p className="line" role="alert">
          {props.error}
        </p>
      )}
      {conversations.length === 0 && !hasMore && !props.isLoading && !props.error && (
        <p className="line">{query ? "No title contains these words." : "Your conversations appear here."}</p>
      )}
      <div className="days">
        {props.isLoading && conversations.length === 0 && <Loading />}
        {groupByDay(conversations, new Date()).map(({ name, items }) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <ul>
              {items.map((conversation) => (
                <Item key={conversation.id} conversation={conversation} {...props} />
              ))}
            </ul>
          </section>
        ))}
        {query && <FoundMessages key={query} query={query} onPick={props.onPick} />}
      </div>
      {hasMore && (
        <button type="button" className="quiet" onClick={props.onMore}>
          Show more
        </button>
      )}
    </nav>
  );
}

type ItemProps = Pick<SidebarProps, "currentId" | "onDelete" | "onRename" | "onPick"> & {
  readonly conversation: Conversation;
};

function Item({ conversation, currentId, onDelete, onRename, onPick }: ItemProps): ReactNode {
  const [isNaming, setNaming] = useState(false);
  const title = conversation.title || "Untitled";
  const name = (given: string) => {
    setNaming(false);
    if (given.trim() && given.trim() !== title) onRename(conversation.id, given.trim());
  };
  return (
    <li className="item" aria-current={conversation.id === currentId ? "page" : undefined}>
      {isNaming ? (
        <NameBox title={title} onDone={name} onCancel={() => setNaming(false)} />
      ) : (
        <Link
          to="/chat/$conversationId"
          params={{ conversationId: conversation.id }}
          activeProps={{}}
          onClick={onPick}
          title={`${title}, ${new Date(conversation.updatedAt).toLocaleString()}`}
        >
          {conversation.activeRunId && <span className="running" role="img" aria-label="Answering" />}
          <span className="item-title" dir="auto">
            {title}
          </span>
        </Link>
      )}
      <Menu
        label={`Actions for ${title}`}
        icon="more"
        items={[
          { label: "Rename", onSelect: () => setNaming(true) },
          { label: "Delete", icon: "trash", isDangerous: true, onSelect: () => onDelete(conversation) },
        ]}
      />
    </li>
  );
}

interface NameBoxProps {
  readonly title: string;
  readonly onDone: (title: string) => void;
  readonly onCancel: () => void;
}

function NameBox({ title, onDone, onCancel }: NameBoxProps): ReactNode {
  const [text, setText] = useState(title);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter") onDone(text);
    if (event.key !== "Escape") return;
    event.preventDefault();
    onCancel();
  };
  return (
    <input
      className="name-box"
      aria-label="Title"
      autoFocus
      maxLength={200}
      value={text}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setText(event.target.value)}
      onKeyDown={onKeyDown}
      onBlur={() => onDone(text)}
    />
  );
}
