import { type CSSProperties, type ReactNode, useEffect, useState } from "react";
import { CopyButton } from "../../ui/CopyButton";
import type { CodeToken } from "./highlight";

/** Longer code is not highlighted, because that would be too slow. */
const MOST_COLORED = 50_000;
/** Growing code is highlighted when it pauses. */
const REST_MS = 120;

export function CodeBlock({ code, language }: { code: string; language: string }): ReactNode {
  const lines = useColors(code, language);
  return (
    <div className="code" dir="ltr">
      <div className="code-head">
        <span>{language}</span>
        <CopyButton text={code} label="Copy code" />
      </div>
      <pre tabIndex={0}>
        <code>{lines ? <Colored lines={lines} /> : code}</code>
      </pre>
    </div>
  );
}

type Lines = readonly (readonly CodeToken[])[];

function Colored({ lines }: { lines: Lines }): ReactNode {
  return lines.map((line, index) => (
    <span key={index}>
      {line.map((token, n) => (
        <span key={n} className="token" style={colorsOf(token)}>
          {token.text}
        </span>
      ))}
      {index < lines.length - 1 && "\n"}
    </span>
  ));
}

function colorsOf({ light, dark }: CodeToken): CSSProperties {
  return { "--light": light, "--dark": dark } as CSSProperties;
}

/** The highlighted code; null until it is ready, or for an unsupported language. */
function useColors(code: string, language: string): Lines | null {
  const [found, setFound] = useState<{ code: string; lines: Lines | null } | null>(null);
  useEffect(() => {
    if (!language || code.length > MOST_COLORED) return undefined;
    let isOver = false;
    const timer = setTimeout(async () => {
      const { highlight } = await import("./highlight");
      const lines = await highlight(code, language).catch(() => null);
      if (!isOver) setFound({ code, lines });
    }, REST_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [code, language]);
  return found?.code === code ? found.lines : null;
}
