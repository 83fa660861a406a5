import { Marked, type Token, type TokenizerAndRendererExtension, type Tokens } from "marked";
import { emphasisTokenizer, lexWith } from "./lexing";

/** A formula in TeX. */
export interface MathToken extends Tokens.Generic {
  readonly type: "math";
  readonly text: string;
  readonly isBlock: boolean;
}

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
/** A single `$` opens a formula only where no amount of money is meant. */
const INLINE = /^(?:\$\$([^\n]+?)\$\$|\\\[([^\n]+?)\\\]|\\\(([\s\S]+?)\\\)|\$(?!\s)([^$\n]+?)(?<![\s\\])\$(?![\d\w]))/;

function mathToken(match: RegExpExecArray | null, isBlock: boolean): MathToken | undefined {
  if (!match) return undefined;
  const text = match.slice(1).find((group) => group !== undefined) ?? "";
  return { type: "math", raw: match[0], text: text.trim(), isBlock };
}

const blockMath: TokenizerAndRendererExtension = {
  name: "math",
  level: "block",
  start: (text) => text.match(/\$\$|\\\[/)?.index,
  tokenizer: (text) => mathToken(BLOCK.exec(text), true),
};

const inlineMath: TokenizerAndRendererExtension = {
  name: "math",
  level: "inline",
  start: (text) => text.match(/\$|\\[([]/)?.index,
  tokenizer: (text) => mathToken(INLINE.exec(text), /^(\$\$|\\\[)/.test(text)),
};

const parser = new Marked(
  { extensions: [blockMath], tokenizer: emphasisTokenizer },
  { extensions: [inlineMath] },
);

const withoutFormulas = new Marked({ tokenizer: emphasisTokenizer });
/** The maximum number of places where a formula may begin, because each one is compared with all of the text after it. */
const MOST_FORMULAS = 1_000;

/** The top-level Markdown blocks of a text, with formulas between `$`, `$$`, `\(` and `\[`. */
export function lex(text: string): Token[] {
  const places = text.match(/\$\$|\\\[/g)?.length ?? 0;
  return lexWith(places > MOST_FORMULAS ? withoutFormulas : parser, text);
}
