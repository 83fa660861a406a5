import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { type ReactNode, useDeferredValue, useEffect, useState } from "react";
import { Icon } from "../ui/Icon";
import { useSession } from "./context";
import { actionsOf, type Entry, matching, PAGE_GROUP } from "./palette";
import { useFound } from "./paletteSearch";
import "./palette.css";

/** The list of addresses and actions that match the typed text. */
export function PaletteList({ onDone }: { onDone: () => void }): ReactNode {
  const navigate = useNavigate();
  const { auth } = useSession();
  const go = ({ to }: Entry) => {
    onDone();
    if (typeof to === "function") to();
    else void navigate(to);
  };
  const [search, setSearch] = useState("");
  const found = useFound(useDeferredValue(search));
  const groups = matching([PAGE_GROUP, ...found, actionsOf(auth)], search);
  const [chosen, setChosen] = useState("");
  // Results arrive while the user types; Enter always opens the first one that is shown.
  const first = groups[0]?.entries[0];
  useEffect(() => setChosen(first ? valueOf(groups[0]?.heading ?? "", first) : ""), [search, first?.id]);
  return (
    <Command label="Go to" className="palette" shouldFilter={false} value={chosen} onValueChange={setChosen}>
      <Command.Input
        className="input"
        placeholder="Pages, conversations, runs, agents, actions…"
        autoFocus
        value={search}
        onValueChange={setSearch}
      />
      <Command.List className="palette-list">
        <Command.Empty className="palette-empty">Nothing found.</Command.Empty>
        {groups.map(({ heading, entries }) => (
          <Command.Group key={heading} heading={heading}>
            {entries.map((entry) => (
              <Command.Item key={entry.id} value={valueOf(heading, entry)} onSelect={() => go(entry)}>
                <Icon name={entry.icon} /> <span>{entry.label}</span>
              </Command.Item>
            ))}
          </Command.Group>
        ))}
      </Command.List>
    </Command>
  );
}

function valueOf(heading: string, { id }: Entry): string {
  return `${heading} ${id}`.toLowerCase();
}
