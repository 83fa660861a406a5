import type { ReactNode } from "react";

export interface Option {
  readonly value: string;
  readonly label: string;
}

export function asOption(value: string): Option {
  return { value, label: value };
}

interface ChoiceProps {
  readonly label: string;
  /** The choice that filters nothing: "Any state". */
  readonly any: string;
  readonly value: string | undefined;
  readonly options: readonly Option[];
  readonly onChange: (value: string) => void;
}

/** A filter by one of a few values; "" filters nothing. */
export function Choice({ label, any, value = "", options, onChange }: ChoiceProps): ReactNode {
  return (
    <select className="input" aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">{any}</option>
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

interface TextProps {
  readonly label: string;
  readonly value: string | undefined;
  readonly onChange: (value: string) => void;
}

/** Filters when the field loses focus or Enter is pressed, not with each key. */
export function TextFilter({ label, value = "", onChange }: TextProps): ReactNode {
  return (
    <input
      key={value}
      className="input"
      type="search"
      aria-label={label}
      placeholder={label}
      defaultValue={value}
      onBlur={(event) => event.target.value.trim() !== value && onChange(event.target.value.trim())}
      onKeyDown={(event) => event.key === "Enter" && onChange(event.currentTarget.value.trim())}
    />
  );
}

const HOUR_MS = 3_600_000;

/** Returns the time this many hours ago, to the minute, so that a refresh requests the same list; null without a number. */
export function hoursAgo(hours: string | undefined): string | null {
  const ago = Number(hours) * HOUR_MS;
  return ago > 0 ? new Date(Math.floor((Date.now() - ago) / 60_000) * 60_000).toISOString() : null;
}
