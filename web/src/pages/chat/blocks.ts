import type { Token } from "marked";
import remend from "remend";
import { lex } from "./markdown";

/** A text and its top-level Markdown blocks. */
export interface Blocks {
  readonly text: string;
  readonly tokens: readonly Token[];
}

export const NO_BLOCKS: Blocks = { text: "", tokens: [] };

/** Blocks at the end that more text may still change: a list and the blank line after it, a paragraph and its underline. */
const UNSETTLED = 4;

/**
 * Returns the blocks of `text`. While it streams, open marks at its end are closed (`**bol` is already bold), and the
 * blocks of `previous` that can no longer change are reused, so the work does not grow with the length of the answer.
 */
export function parseBlocks(previous: Blocks, text: string, isStreaming: boolean): Blocks {
  if (!isStreaming) return { text, tokens: lex(text) };
  const settled = settledBlocks(previous, text);
  const start = settled.reduce((length, token) => length + token.raw.length, 0);
  return { text, tokens: [...settled, ...lex(closeMarks(text.slice(start)))] };
}

/** Returns no blocks if `text` does not begin with exactly their text. */
function settledBlocks(previous: Blocks, text: string): readonly Token[] {
  const settled = previous.tokens.slice(0, -UNSETTLED);
  return text.startsWith(settled.map((token) => token.raw).join("")) ? settled : [];
}

/** Only at the end of the text; elsewhere, the blocks would differ from the text. */
function closeMarks(text: string): string {
  return remend(text, { linkMode: "text-only", comparisonOperators: false, singleTilde: false });
}
