import { Marked, type Token, type Tokens } from "marked";
import { unescapeEntities } from "./entities";
import { emphasisTokenizer, lexWith } from "./lexing";

const parser = new Marked({ tokenizer: emphasisTokenizer });

/** A Markdown text as one would read it aloud: without signs, code blocks and the addresses of links. */
export function proseOf(markdown: string): string {
  return lexWith(parser, markdown).map(spokenBlock).filter(Boolean).join("\n\n");
}

function spokenBlock(token: Token): string {
  switch (token.type) {
    case "code":
    case "hr":
    case "space":
    case "def":
      return "";
    case "list":
      return (token as Tokens.List).items.map(spokenItem).join("\n");
    case "table":
      return spokenTable(token as Tokens.Table);
    case "blockquote":
      return childrenOf(token).map(spokenBlock).filter(Boolean).join("\n");
    default:
      return spoken(token);
  }
}

/** A line that ends like a sentence: the voice pauses there. */
function spokenItem(item: Tokens.ListItem): string {
  return item.tokens.map(spokenBlock).filter(Boolean).map(closed).join(" ");
}

function spokenTable({ header, rows }: Tokens.Table): string {
  const line = (cells: readonly Tokens.TableCell[]) => cells.map((cell) => cell.tokens.map(spoken).join("")).join(", ");
  return [header, ...rows].map(line).map(closed).join("\n");
}

function closed(text: string): string {
  return /[\p{L}\p{N}]$/u.test(text) ? `${text}.` : text;
}

function spoken(token: Token): string {
  if (token.type === "br") return "\n";
  const children = childrenOf(token);
  if (children.length > 0) return children.map(spoken).join("");
  return "text" in token && typeof token.text === "string" ? unescapeEntities(token.text) : "";
}

function childrenOf(token: Token): readonly Token[] {
  return "tokens" in token ? (token.tokens ?? []) : [];
}
