import type { ReactNode } from "react";
import "./states.css";

export type Tone = "active" | "good" | "warning" | "bad" | "quiet";

/** A word for a state. Its color only repeats the word. */
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }): ReactNode {
  return (
    <span className="badge" data-tone={tone}>
      {children}
    </span>
  );
}

const TONES: Record<string, Tone> = {
  running: "active",
  active: "active",
  starting: "active",
  queued: "quiet",
  waiting: "warning",
  paused: "warning",
  completed: "good",
  resolved: "good",
  failed: "bad",
  error: "bad",
  triggered: "bad",
};

/** A badge for the states of runs, pipelines, flows and alerts. */
export function StateBadge({ state }: { state: string }): ReactNode {
  return <Badge tone={TONES[state] ?? "quiet"}>{state.replaceAll("_", " ")}</Badge>;
}
