import { ApiError } from "@millrace/client";
import { type ReactNode, useMemo } from "react";
import { CodeEditor } from "../CodeEditor";
import { locate } from "./locate";
import { completeBy, type JsonSchema } from "./schema";

export interface Problem {
  readonly path: string;
  readonly message: string;
}

interface JsonEditorProps {
  readonly label: string;
  readonly value: string;
  readonly onChange?: (value: string) => void;
  readonly schema?: JsonSchema | undefined;
  readonly problems?: readonly Problem[];
  readonly height?: string;
  readonly isReadOnly?: boolean;
}

/** A JSON editor that completes from a schema and marks the parts that the server refused. */
export function JsonEditor({ schema, problems, ...editor }: JsonEditorProps): ReactNode {
  const complete = useMemo(() => schema && completeBy(schema), [schema]);
  // Marks stay at the text that the server checked until it is changed.
  const marks = useMemo(
    () => problems?.map(({ path, message }) => ({ ...locate(editor.value, path), message })),
    [problems],
  );
  return (
    <>
      <CodeEditor language="json" {...editor} {...(complete && { complete })} {...(marks && { problems: marks })} />
      {problems && problems.length > 0 && <Problems problems={problems} />}
    </>
  );
}

function Problems({ problems }: { problems: readonly Problem[] }): ReactNode {
  return (
    <ul className="problems" role="alert">
      {problems.map(({ path, message }) => (
        <li key={`${path} ${message}`}>
          {path && <code>{path}</code>} {message}
        </li>
      ))}
    </ul>
  );
}

/** The errors of a refusal, by the parts of the document. */
export function problemsOf(error: unknown): readonly Problem[] {
  if (!(error instanceof ApiError)) return [];
  const listed = error.details["problems"] ?? error.details["fields"];
  return Array.isArray(listed) ? (listed as Problem[]) : [{ path: "", message: error.message }];
}

export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** The value of a JSON text, or the reason why it is invalid. */
export function readJson(text: string): { value: unknown } | { error: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { error: error instanceof Error ? error.message : "This is not JSON." };
  }
}
