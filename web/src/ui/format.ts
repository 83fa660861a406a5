const NUMBER = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const COMPACT_BYTES = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** Formats US dollars, with enough digits for small amounts. */
export function formatCost(dollars: number): string {
  if (dollars === 0) return "$0";
  if (dollars >= 1e6) return `$${COMPACT.format(dollars)}`;
  if (dollars >= 1000) return `$${NUMBER.format(Math.round(dollars))}`;
  return `$${dollars >= 0.01 ? dollars.toFixed(2) : dollars.toPrecision(2)}`;
}

export function formatNumber(value: number): string {
  return NUMBER.format(value);
}

/** 12.3K: for charts and cards. */
export function formatCompact(value: number): string {
  return COMPACT.format(value);
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** 12.3 MB. */
export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${COMPACT_BYTES.format(bytes / 1000 ** power)} ${UNITS[power]}`;
}

/** Date and time in the reader's time zone. */
export function formatTime(time: string | number | Date): string {
  return TIME.format(new Date(time));
}

export function formatClock(time: string | number | Date): string {
  return CLOCK.format(new Date(time));
}

/** Formats a time such as "3 min ago". */
export function formatAge(time: string | number | Date, now: number = Date.now()): string {
  const seconds = Math.max(0, (now - new Date(time).getTime()) / 1000);
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** Formats a value; one that the server does not know is a dash, never 0. */
export function orDash<Value>(value: Value | null | undefined, format: (value: Value) => string): string {
  return value === null || value === undefined ? "–" : format(value);
}
