import type { Schemas } from "@millrace/client";

export type AuditEntry = Schemas["AuditEntryView"];
export type FileFormat = "csv" | "jsonl";

const COLUMNS = ["at", "kind", "userId", "action", "target", "created", "status", "requestId", "id"] as const;
/** Characters that spreadsheets treat as the start of a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** Entries as the text of a file. */
export function auditFile(entries: readonly AuditEntry[], format: FileFormat): string {
  const lines = format === "csv" ? [COLUMNS.join(","), ...entries.map(asCsv)] : entries.map((entry) => JSON.stringify(entry));
  const end = format === "csv" ? "\r\n" : "\n";
  return lines.map((line) => line + end).join("");
}

function asCsv(entry: AuditEntry): string {
  return COLUMNS.map((column) => cell(entry[column])).join(",");
}

function cell(value: unknown): string {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
