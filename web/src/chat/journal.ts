import { type PartialRunEvent as RunEvent, numberOf } from "@millrace/client";
import type { Entry } from "./state";

/** The events of the run on the screen, and the entries before them, to which a `rewind` returns. */
export class Journal {
  #before: readonly Entry[] = [];
  #events: { readonly number: number; readonly event: RunEvent }[] = [];

  begin(entries: readonly Entry[]): void {
    this.#before = entries;
    this.#events = [];
  }

  add(event: RunEvent, number: number | null): void {
    this.#events.push({ event, number: number ?? this.#events.at(-1)?.number ?? 0 });
  }

  /** Drops everything after an event, and returns what is left. */
  rewind(after: string): { before: readonly Entry[]; events: readonly RunEvent[] } {
    this.#events = this.#events.filter(({ number }) => number <= numberOf(after));
    return { before: this.#before, events: this.#events.map(({ event }) => event) };
  }
}
