/** A command of the page to the audio worklet. `complete`: no more samples will come. */
export type Command =
  | { readonly type: "samples"; readonly samples: Int16Array<ArrayBuffer> }
  | { readonly type: "complete" | "stop" };

/** The progress that the audio worklet reports to the page. */
export interface Progress {
  /** Samples that were played. */
  readonly played: number;
  /** The loudest one of them, 0 to 1. */
  readonly peak: number;
  /** The end of the last sound, in seconds of the audio clock. */
  readonly lastSound: number;
  readonly isOver: boolean;
}
