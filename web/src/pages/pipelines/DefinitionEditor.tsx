import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { JsonEditor, type Problem, readJson } from "../../ui/json/JsonEditor";
import { Chain } from "./Chain";
import { DryRunPane } from "./DryRunPane";
import { type Definition, useSchema } from "./model";

interface DefinitionEditorProps {
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Schemas["DefinitionWarning"][];
  readonly pipelineId: string | null;
  /** Buttons below the editor. */
  readonly children: ReactNode;
}

/** A definition as JSON, its chain while it is typed, and a dry run. */
export function DefinitionEditor({ text, onChange, problems, warnings, pipelineId, children }: DefinitionEditorProps): ReactNode {
  const schema = useSchema();
  const parsed = readJson(text);
  const definition = "value" in parsed && isObject(parsed.value) ? parsed.value : null;
  return (
    <>
      {definition && <Chain definition={definition} metrics={null} />}
      <div className="split">
        <div className="stack">
          <JsonEditor label="Definition" value={text} onChange={onChange} schema={schema} problems={problems} height="30rem" />
          {warnings.length > 0 && (
            <ul className="problems warnings" role="status">
              {warnings.map(({ code, path, message }) => (
                <li key={`${code} ${path}`}>
                  <code>{path}</code> {message}
                </li>
              ))}
            </ul>
          )}
          <div className="buttons">{children}</div>
        </div>
        <DryRunPane definition={definition} pipelineId={pipelineId} />
      </div>
    </>
  );
}

function isObject(value: unknown): value is Definition {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
