import { type PartialRunEvent as RunEvent, numberOf } from "@millrace/client";
import type { Entry } from "./state";

/** The events of the run on the screen, and what was there before them: what a `rewind` goes back to. */
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

  /** Forgets what came after an event; returns what is left to be shown. */
  rewind(after: string): { before: readonly Entry[]; events: readonly RunEvent[] } {
    this.#events = this.#events.filter(({ number }) => number <= numberOf(after));
    return { before: this.#before, events: this.#events.map(({ event }) => event) };
  }
}
