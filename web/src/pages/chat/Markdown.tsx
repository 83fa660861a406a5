import type { Token, Tokens } from "marked";
import { type ReactNode, Suspense, lazy, memo, useMemo, useRef } from "react";
import { type Blocks, NO_BLOCKS, parseBlocks } from "./blocks";
import { CodeBlock } from "./CodeBlock";
import { unescapeEntities } from "./entities";
import type { MathToken } from "./markdown";

const SAFE_LINK = /^(https?:|mailto:)/i;
/** Longer answers are shown as plain text, because rendering them would block the page. */
const LONGEST = 200_000;

/**
 * Markdown as React elements. Nothing becomes HTML: tags are shown as text, links lead only to web and mail addresses,
 * and images are links, because loading one could leak data of the conversation to its server.
 *
 * While the text streams, open marks are closed, and only blocks that changed are rendered again.
 */
export function Markdown({ text, isStreaming }: { text: string; isStreaming: boolean }): ReactNode {
  const blocks = useBlocks(text.length > LONGEST ? "" : text, isStreaming);
  if (text.length > LONGEST) return <p className="plain">{text}</p>;
  return blocks.map((token, index) => <Block key={index} token={token} raw={token.raw} />);
}

function useBlocks(text: string, isStreaming: boolean): readonly Token[] {
  const previous = useRef<Blocks>(NO_BLOCKS);
  return useMemo(() => {
    previous.current = parseBlocks(previous.current, text, isStreaming);
    return previous.current.tokens;
  }, [text, isStreaming]);
}

interface BlockProps {
  readonly token: Token;
  readonly raw: string;
}

const Block = memo(
  ({ token }: BlockProps): ReactNode => renderBlock(token),
  (before, after) => before.raw === after.raw && before.token.type === after.token.type,
);

function renderBlock(token: Token): ReactNode {
  switch (token.type) {
    case "paragraph":
      return <p dir="auto">{inline(token)}</p>;
    case "math":
      return <MathText token={token as MathToken} />;
    case "heading":
      return renderHeading(token as Tokens.Heading);
    case "code":
      return <CodeBlock code={(token as Tokens.Code).text} language={(token as Tokens.Code).lang ?? ""} />;
    case "blockquote":
      return <blockquote>{blocksOf(token)}</blockquote>;
    case "list":
      return renderList(token as Tokens.List);
    case "table":
      return renderTable(token as Tokens.Table);
    case "hr":
      return <hr />;
    case "space":
    case "def":
      return null;
    default:
      return token.type === "text" || token.type === "checkbox" ? renderInline(token) : <p>{token.raw}</p>;
  }
}

/** The page has its own h1, so headings of an answer start below it. */
function renderHeading(token: Tokens.Heading): ReactNode {
  const Level = `h${Math.min(token.depth + 2, 6)}` as "h3" | "h4" | "h5" | "h6";
  return <Level dir="auto">{inline(token)}</Level>;
}

function renderList(token: Tokens.List): ReactNode {
  const items = token.items.map((item, index) => (
    <li key={index} dir="auto" className={item.task ? "task" : undefined}>
      {blocksOf(item)}
    </li>
  ));
  return token.ordered ? (
    <ol start={Number(token.start) || 1} dir="auto">
      {items}
    </ol>
  ) : (
    <ul dir="auto">{items}</ul>
  );
}

function renderTable(token: Tokens.Table): ReactNode {
  const cells = (row: Tokens.TableCell[], Cell: "th" | "td") =>
    row.map((cell, index) => (
      <Cell key={index} data-align={cell.align}>
        {renderAll(cell.tokens)}
      </Cell>
    ));
  return (
    <div className="table" tabIndex={0} role="group" aria-label="Table">
      <table dir="auto">
        <thead>
          <tr>{cells(token.header, "th")}</tr>
        </thead>
        <tbody>
          {token.rows.map((row, index) => (
            <tr key={index}>{cells(row, "td")}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function blocksOf(token: Token): ReactNode {
  return childrenOf(token).map((child, index) => <Block key={index} token={child} raw={child.raw} />);
}

function inline(token: Token): ReactNode {
  return renderAll(childrenOf(token));
}

function childrenOf(token: Token): Token[] {
  return "tokens" in token ? (token.tokens ?? []) : [];
}

function renderAll(tokens: readonly Token[]): ReactNode {
  return tokens.map((token, index) => <span key={index}>{renderInline(token)}</span>);
}

function renderInline(token: Token): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{inline(token)}</strong>;
    case "em":
      return <em>{inline(token)}</em>;
    case "del":
      return <del>{inline(token)}</del>;
    case "codespan":
      return <code>{(token as Tokens.Codespan).text}</code>;
    case "br":
      return <br />;
    case "checkbox":
      return <input type="checkbox" disabled checked={(token as Tokens.Checkbox).checked} aria-label="Done" />;
    case "link":
    case "image":
      return renderLink(token as Tokens.Link | Tokens.Image);
    case "math":
      return <MathText token={token as MathToken} />;
    case "escape":
      return (token as Tokens.Escape).text;
    default:
      return childrenOf(token).length > 0 ? inline(token) : plainText(token);
  }
}

const Formula = lazy(() => import("./Formula"));

/** The source of a formula until KaTeX is loaded. */
function MathText({ token }: { token: MathToken }): ReactNode {
  return (
    <Suspense fallback={<code dir="ltr">{token.text}</code>}>
      <Formula tex={token.text} isBlock={token.isBlock} />
    </Suspense>
  );
}

function renderLink(token: Tokens.Link | Tokens.Image): ReactNode {
  const label = token.type === "image" ? token.text || token.href : inline(token);
  if (!SAFE_LINK.test(token.href)) return label;
  return (
    <a href={token.href} target="_blank" rel="noopener noreferrer nofollow">
      {label}
    </a>
  );
}

function plainText(token: Token): string {
  return unescapeEntities(token.type === "text" ? (token as Tokens.Text).text : token.raw);
}
