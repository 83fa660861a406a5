import { type ReactNode, useState } from "react";

const COPIED_FOR_MS = 1500;

/** Copies a text, and shows this for a moment. */
export function CopyButton({ text, label }: { text: string; label: string }): ReactNode {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_FOR_MS);
  };
  return (
    <button type="button" className="quiet" aria-label={label} onClick={() => copy().catch(() => setCopied(false))}>
      {isCopied ? "Copied" : "Copy"}
    </button>
  );
}
