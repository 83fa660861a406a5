import type { Millrace } from "../client.js";
import type { Schemas } from "../schemas.js";
import { sleep } from "../stream/retries.js";
import { Session } from "./session.js";

export interface MetricsState {
  /** Null until the first response. */
  readonly metrics: Schemas["PipelineMetrics"] | null;
  /** Why the latest request failed. `metrics` are then those of the request before. */
  readonly error: Error | null;
}

/** The metrics of a pipeline. */
export class PipelineMetricsSession extends Session<MetricsState> {
  constructor(
    private readonly client: Millrace,
    private readonly pipelineId: string,
    private readonly everyMs: number,
  ) {
    super({ metrics: null, error: null });
  }

  protected async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (!globalThis.document?.hidden) await this.guard(() => this.#load(signal));
      await sleep(this.everyMs, signal);
    }
  }

  async #load(signal: AbortSignal): Promise<void> {
    this.set({ metrics: await this.client.streaming.getPipelineMetrics(this.pipelineId, { signal }), error: null });
  }
}
