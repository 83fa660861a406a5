/** Calls `bark` if `feed` was not called for `ms`. */
export class Watchdog {
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ms: number,
    private readonly bark: () => void,
  ) {
    this.feed();
  }

  feed(): void {
    this.stop();
    this.#timer = setTimeout(this.bark, this.ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
