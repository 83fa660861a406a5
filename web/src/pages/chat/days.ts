import type { Schemas } from "@millrace/client";

type Conversation = Schemas["Conversation"];

interface Day {
  readonly name: string;
  readonly items: readonly Conversation[];
}

const DAY_MS = 86_400_000;

/** Groups conversations by the time of their last use, in their given order. */
export function groupByDay(conversations: readonly Conversation[], now: Date): readonly Day[] {
  const groups = new Map<string, Conversation[]>();
  for (const one of conversations) {
    const name = nameOf(new Date(one.updatedAt), now);
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups].map(([name, items]) => ({ name, items }));
}

function nameOf(moment: Date, now: Date): string {
  const days = Math.round((midnight(now) - midnight(moment)) / DAY_MS);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days < 7) return "Previous 7 days";
  if (days < 30) return "Previous 30 days";
  return moment.toLocaleDateString(undefined, { month: "long", year: "numeric" });
}

function midnight(moment: Date): number {
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();
}
