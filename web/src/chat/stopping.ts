import { explain } from "../api/explain";
import type { Action } from "./reducer";
import type { ChatState } from "./state";

interface Port {
  stop(): Promise<unknown>;
  dispatch(action: Action): void;
  state(): ChatState;
}

/** The stop button. A run may not exist before its first event, and is then stopped as soon as it does. */
export class StopRequest {
  #isWanted = false;

  constructor(private readonly port: Port) {}

  /** Stops the run within about a second; the answer so far is kept. */
  async stop(): Promise<void> {
    const { phase, runId } = this.port.state();
    if (phase !== "answering" && phase !== "waiting") return;
    this.port.dispatch({ type: "stopping" });
    if (runId) await this.#send();
    else this.#isWanted = true;
  }

  /** The run is there. */
  started(): void {
    if (this.#isWanted) void this.#send();
  }

  forget(): void {
    this.#isWanted = false;
  }

  async #send(): Promise<void> {
    this.#isWanted = false;
    try {
      await this.port.stop();
    } catch (error) {
      this.port.dispatch({ type: "stop_failed", notice: `The answer could not be stopped: ${explain(error)}` });
    }
  }
}
