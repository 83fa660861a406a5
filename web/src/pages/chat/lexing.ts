import { Lexer, type Marked, type Token, type Tokens } from "marked";

/** Lists and quotes that are nested more deeply exhaust the stack of the parser or of the browser. */
const DEEPEST = 50;
const DEEP_LINE = /^[ \t]*(?:>[ \t]*|[*+-][ \t]+|\d{1,9}[.)][ \t]+){200}/m;
/** The maximum length of a paragraph whose markup is parsed, because the work grows with its square. */
const LONGEST_PARAGRAPH = 10_000;
/** The total number of characters that may be searched for the ends of emphasis. */
const MOST_EMPHASIS = 4_000_000;

let emphasis = 0;

/**
 * The Markdown blocks of a text. What a model writes may come from a web page that wants to stall the reader:
 * what would take too long to read is plain text.
 */
export function lexWith(parser: Marked, text: string): Token[] {
  if (DEEP_LINE.test(text)) return plain(text);
  emphasis = MOST_EMPHASIS;
  try {
    const tokens = new PatientLexer(parser.defaults).lex(text);
    return isTooDeep(tokens, DEEPEST) ? plain(text) : tokens;
  } catch {
    return plain(text); // Each browser has its own error for a stack that is full.
  }
}

/** A tokenizer for the parser that limits how often opened emphasis is searched for its end. */
export const emphasisTokenizer = {
  emStrong(source: string): Tokens.Em | Tokens.Strong | undefined | false {
    if (source.startsWith("*") || source.startsWith("_")) emphasis -= source.length;
    return emphasis < 0 ? undefined : false; // False leaves it to the parser.
  },
};

class PatientLexer extends Lexer {
  override inlineTokens(source: string, tokens: Token[] = []): Token[] {
    if (source.length <= LONGEST_PARAGRAPH) return super.inlineTokens(source, tokens);
    tokens.push({ type: "text", raw: source, text: source });
    return tokens;
  }
}

function plain(text: string): Token[] {
  return text ? [{ type: "paragraph", raw: text, text, tokens: [{ type: "text", raw: text, text }] }] : [];
}

function isTooDeep(tokens: readonly Token[], left: number): boolean {
  return tokens.some((token) => {
    const inside = [...((token as Tokens.Generic).tokens ?? []), ...((token as Tokens.Generic)["items"] ?? [])];
    return inside.length > 0 && (left === 0 || isTooDeep(inside, left - 1));
  });
}
