import { type ReactNode, useEffect, useState } from "react";

const QUIET_MS = 250;

interface SearchFieldProps {
  /** What is searched, as its name: "Search pipelines". */
  readonly label: string;
  /** Called when typing rests. */
  readonly onSearch: (query: string) => void;
}

/** Words that the server looks for in a list. */
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
