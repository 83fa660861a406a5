import type { Part, ThinkingPart } from "@millrace/client";
import type { Entry } from "./state";

/** Returns the entries with the durations of thoughts, which only the stored messages have. */
export function withThoughtTimes(entries: readonly Entry[], stored: readonly Entry[]): readonly Entry[] {
  const times = new Map(stored.flatMap((entry) => (entry.kind === "answer" ? thoughtsIn(entry.parts).map(timeOf) : [])));
  return entries.map((entry) => (entry.kind === "answer" ? { ...entry, parts: timed(entry.parts, times) } : entry));
}

function thoughtsIn(parts: readonly Part[]): ThinkingPart[] {
  return parts.flatMap((part) => (part.type === "thinking" ? [part] : "parts" in part ? thoughtsIn(part.parts) : []));
}

function timeOf({ text, durationMs }: ThinkingPart): [string, number | undefined] {
  return [text, durationMs];
}

function timed(parts: readonly Part[], times: ReadonlyMap<string, number | undefined>): readonly Part[] {
  return parts.map((part) => {
    if ("parts" in part) return { ...part, parts: timed(part.parts, times) };
    const durationMs = part.type === "thinking" ? times.get(part.text) : undefined;
    return durationMs === undefined ? part : ({ ...part, durationMs } as ThinkingPart);
  });
}
