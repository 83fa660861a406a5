import { useLocation, useNavigate } from "@tanstack/react-router";
import { Tabs as Radix } from "radix-ui";
import { type ReactNode, useEffect, useRef } from "react";
import "./tabs.css";

export interface Tab {
  readonly id: string;
  readonly label: string;
  readonly content: () => ReactNode;
}

/** Tabs of a page. The selected one is after the `#` of the address, so that it can be shared. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }): ReactNode {
  const { hash } = useLocation();
  const navigate = useNavigate();
  const current = tabs.find(({ id }) => id === hash) ?? tabs[0];
  const list = useRef<HTMLDivElement>(null);
  // On a phone, the selected tab may be out of sight.
  useEffect(() => {
    list.current?.querySelector("[data-state=active]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [current?.id]);
  return (
    <Radix.Root
      className="tabs"
      value={current?.id ?? ""}
      onValueChange={(hash) => void navigate({ to: ".", hash, replace: true })}
    >
      <Radix.List ref={list} className="tab-list" aria-label={label}>
        {tabs.map((tab) => (
          <Radix.Trigger key={tab.id} value={tab.id} className="tab">
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.id} value={tab.id} className="tab-content">
          {tab.id === current?.id && tab.content()}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
