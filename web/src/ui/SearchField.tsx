import { type ReactNode, useEffect, useState } from "react";

const QUIET_MS = 250;

interface SearchFieldProps {
  /** The name of the search: "Search pipelines". */
  readonly label: string;
  /** Called when the user pauses typing. */
  readonly onSearch: (query: string) => void;
}

/** A field for words that the server searches in a list. */
export function SearchField({ label, onSearch }: SearchFieldProps): ReactNode {
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => onSearch(text.trim()), QUIET_MS);
    return () => clearTimeout(timer);
  }, [text, onSearch]);
  return (
    <input
      type="search"
      className="input"
      aria-label={label}
      placeholder={label}
      maxLength={200}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}
