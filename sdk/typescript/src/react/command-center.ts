import type { CommandCenterFilter } from "../api/streams.js";
import type { Millrace } from "../client.js";
import type { CommandCenterBoard } from "../shared/index.js";
import { Session } from "./session.js";
import { sharing } from "./sharing.js";

export interface CommandCenterState extends CommandCenterBoard {
  readonly isLoading: boolean;
  readonly error: Error | null;
}

export type CommandCenterOptions = Omit<CommandCenterFilter, "since">;

/** The runs of an organization, kept up to date from a snapshot and the events after it. */
export class CommandCenterSession extends Session<CommandCenterState> {
  constructor(
    private readonly client: Millrace,
    private readonly options: CommandCenterOptions,
  ) {
    super({ isLoading: true, runs: [], alerts: [], events: [], error: null });
  }

  protected async run(signal: AbortSignal): Promise<void> {
    for (;;) await this.#watch(signal);
  }

  /** Loads a snapshot and follows it, until so many events were missed that another snapshot is needed. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { agentIds, runIds } = this.options;
    const { runs, alerts, since } = await this.client.commandCenter.snapshot({ agentIds, runIds, signal } as object);
    this.set({ isLoading: false, error: null, runs, alerts });
    const { SharedStream, boardAfter, scopeOf } = await sharing();
    const open = (last: string | null) => this.client.commandCenter.stream({ ...this.options, since: last ?? since });
    const name = `all:${await scopeOf(this.client)}:${JSON.stringify(this.options)}`;
    for await (const event of new SharedStream({ name, after: String(since), signal, open })) {
      if (event.type === "resync") return;
      this.set(boardAfter(this.state, event));
    }
  }
}
