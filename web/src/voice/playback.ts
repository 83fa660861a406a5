const FULL_SCALE = 32_768;
/** Sound starts when this much has arrived, at the beginning and after every gap. */
const HEAD_START_S = 0.1;
/** The duration of a fade between sound and silence, which avoids clicks. */
const RAMP_S = 0.01;

/**
 * The samples between the network and the loudspeaker, first in, first out: the core of the audio worklet.
 *
 * It fades out before it runs empty, and continues only when enough has arrived. Chunks are kept as they arrived, two
 * bytes per sample, so that minutes of buffered speech cost little. The sender limits how many there are.
 */
export class Playback {
  #chunks: Int16Array[] = [];
  /** How much of the first chunk has been played. */
  #position = 0;
  #gain = 0;
  #state: "gathering" | "playing" | "stopping" = "gathering";
  #isComplete = false;
  #waiting = 0;
  #played = 0;
  #peak = 0;

  readonly #headStart: number;
  readonly #ramp: number;

  /** `rate` in Hz. */
  constructor(rate: number) {
    this.#headStart = Math.ceil(rate * HEAD_START_S);
    this.#ramp = Math.ceil(rate * RAMP_S);
  }

  /** The total number of samples that were played. */
  get played(): number {
    return this.#played;
  }

  /** Everything was played, or playing was stopped and is silent. */
  get isOver(): boolean {
    const isDry = this.#waiting === 0;
    return this.#state === "stopping" ? isDry : isDry && this.#isComplete;
  }

  /** The loudest sample that was played, 0 to 1. */
  get peak(): number {
    return this.#peak;
  }

  push(samples: Int16Array): void {
    if (this.#state === "stopping" || samples.length === 0) return;
    this.#chunks.push(samples);
    this.#waiting += samples.length;
  }

  /** No more chunks will arrive: plays what is left, however little. */
  complete(): void {
    this.#isComplete = true;
  }

  /** Fades to silence within 10 ms of sound, and drops everything that waits. */
  stop(): void {
    this.#state = "stopping";
    if (this.#gain === 0) this.#drop();
  }

  /** Fills `output` with the next samples, -1 to 1, or silence. */
  render(output: Float32Array): void {
    if (this.#state === "gathering" && this.#hasEnough()) this.#state = "playing";
    let index = 0;
    if (this.#state !== "gathering") {
      while (index < output.length && this.#waiting > 0) output[index++] = this.#next();
    }
    output.fill(0, index);
    if (this.#state === "playing" && this.#waiting === 0) this.#state = "gathering";
  }

  #hasEnough(): boolean {
    return this.#waiting >= this.#headStart || (this.#isComplete && this.#waiting > 0);
  }

  #next(): number {
    const sample = (this.#take() / FULL_SCALE) * this.#nextGain();
    this.#peak = Math.max(this.#peak, Math.abs(sample));
    if (this.#state === "stopping" && this.#gain === 0) this.#drop();
    return sample;
  }

  /** Fades in while there is enough sound ahead, and out towards the end. */
  #nextGain(): number {
    const step = 1 / this.#ramp;
    const change = this.#state === "stopping" ? -step : step;
    this.#gain = Math.max(0, Math.min(this.#gain + change, 1, this.#waiting * step));
    return this.#gain;
  }

  #take(): number {
    const chunk = this.#chunks[0] as Int16Array;
    const sample = chunk[this.#position++] as number;
    if (this.#position === chunk.length) {
      this.#chunks.shift();
      this.#position = 0;
    }
    this.#waiting -= 1;
    this.#played += 1;
    return sample;
  }

  #drop(): void {
    this.#chunks = [];
    this.#waiting = 0;
  }
}
