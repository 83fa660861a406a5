import type { PartialRunEvent as RunEvent } from "@millrace/client";

/** Collects events and passes them on together and in order, once per animation frame. */
export class EventBatch {
  #events: RunEvent[] = [];
  #isScheduled = false;

  constructor(
    private readonly schedule: (flush: () => void) => void,
    private readonly deliver: (events: readonly RunEvent[]) => void,
  ) {}

  add(event: RunEvent): void {
    this.#events.push(event);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.schedule(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    this.deliver(events);
  }
}
