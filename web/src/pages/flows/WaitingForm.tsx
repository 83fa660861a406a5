import { type ReactNode, useState } from "react";
import { Field } from "../../ui/Field";
import { formatTime } from "../../ui/format";
import { JsonEditor, readJson } from "../../ui/json/JsonEditor";
import type { JsonSchema } from "../../ui/json/schema";
import type { Asked } from "./execution";
import type { FlowInput } from "./useExecution";

type Answer = Pick<FlowInput, "input" | "decision" | "reason">;

interface WaitingFormProps {
  readonly asked: Asked;
  readonly onAnswer: (answer: Answer) => void;
}

/** The form of a waiting step: a choice, the fields of its schema, or text. */
export function WaitingForm({ asked, onAnswer }: WaitingFormProps): ReactNode {
  const [reason, setReason] = useState("");
  return (
    <section className="card stack waiting-form" aria-label={`Input for ${asked.step}`}>
      <p className="state-title">{asked.prompt || `The step ${asked.step} waits for input.`}</p>
      <Inputs asked={asked} onAnswer={onAnswer} />
      <details>
        <summary>Reject instead</summary>
        <div className="stack">
          <Field label="Reason">
            {(ids) => <input {...ids} maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />}
          </Field>
          <div className="buttons">
            <button type="button" className="button dangerous" onClick={() => onAnswer({ decision: "reject", ...(reason && { reason }) })}>
              Reject
            </button>
          </div>
        </div>
      </details>
      <p className="muted">Waits until {formatTime(asked.expiresAt)}.</p>
    </section>
  );
}

function Inputs({ asked, onAnswer }: WaitingFormProps): ReactNode {
  if (asked.choices.length > 0) {
    return (
      <div className="buttons">
        {asked.choices.map((choice) => (
          <button key={choice} type="button" className="button" onClick={() => onAnswer({ input: choice })}>
            {choice}
          </button>
        ))}
      </div>
    );
  }
  const schema = asked.schema as JsonSchema | null;
  if (!schema) return <Words onAnswer={onAnswer} />;
  const fields = Object.entries(schema.properties ?? {});
  const isPlain = fields.length > 0 && fields.every(([, field]) => kindOf(field) !== null);
  return isPlain ? <Fields schema={schema} onAnswer={onAnswer} /> : <Json schema={schema} onAnswer={onAnswer} />;
}

function Words({ onAnswer }: { onAnswer: (answer: Answer) => void }): ReactNode {
  const [text, setText] = useState("");
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onAnswer({ input: text });
      }}
    >
      <Field label="Answer">
        {(ids) => <textarea {...ids} rows={3} required value={text} onChange={(event) => setText(event.target.value)} />}
      </Field>
      <div className="buttons">
        <button type="submit" className="button primary">
          Answer
        </button>
        <button type="button" className="button" onClick={() => onAnswer({ decision: "approve" })}>
          Approve
        </button>
      </div>
    </form>
  );
}

type Kind = "text" | "number" | "checkbox" | "select";

/** The control for a field; null if only JSON can express it. */
function kindOf({ type, enum: values }: JsonSchema): Kind | null {
  if (values?.every((value) => typeof value === "string")) return "select";
  return { string: "text", number: "number", integer: "number", boolean: "checkbox" }[String(type)] as Kind | undefined ?? null;
}

interface FieldsProps {
  readonly schema: JsonSchema;
  readonly onAnswer: (answer: Answer) => void;
}

function Fields({ schema, onAnswer }: FieldsProps): ReactNode {
  const entries = Object.entries(schema.properties ?? {});
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onAnswer({ input: inputOf(entries, new FormData(event.currentTarget)) });
      }}
    >
      {entries.map(([name, field]) => (
        <SchemaField key={name} name={name} field={field} isRequired={schema.required?.includes(name) ?? false} />
      ))}
      <div className="buttons">
        <button type="submit" className="button primary">
          Answer
        </button>
      </div>
    </form>
  );
}

interface SchemaFieldProps {
  readonly name: string;
  readonly field: JsonSchema;
  readonly isRequired: boolean;
}

function SchemaField({ name, field, isRequired }: SchemaFieldProps): ReactNode {
  const kind = kindOf(field);
  const { minimum: min, maximum: max, type } = field;
  return (
    <Field label={field.title ?? name} hint={field.description}>
      {(ids) =>
        kind === "select" ? (
          <select {...ids} name={name} required={isRequired}>
            {!isRequired && <option value="" />}
            {field.enum?.map((value) => (
              <option key={String(value)}>{String(value)}</option>
            ))}
          </select>
        ) : (
          <input
            {...ids}
            name={name}
            type={kind ?? "text"}
            required={isRequired && kind !== "checkbox"}
            {...(kind === "number" && { min, max, step: type === "integer" ? 1 : "any" })}
          />
        )
      }
    </Field>
  );
}

/** Returns the answer in the form of its schema, without empty fields. */
function inputOf(entries: readonly (readonly [string, JsonSchema])[], form: FormData): Record<string, unknown> {
  const values = entries.map(([name, field]) => {
    const given = form.get(name);
    const kind = kindOf(field);
    if (kind === "checkbox") return [name, given !== null] as const;
    if (given === null || given === "") return null;
    return [name, kind === "number" ? Number(given) : given] as const;
  });
  return Object.fromEntries(values.filter((value) => value !== null)) as Record<string, unknown>;
}

function Json({ schema, onAnswer }: FieldsProps): ReactNode {
  const [text, setText] = useState("");
  const parsed = readJson(text);
  return (
    <>
      <JsonEditor label="Answer" value={text} onChange={setText} schema={schema} height="8rem" />
      <div className="buttons">
        <button
          type="button"
          className="button primary"
          disabled={!("value" in parsed)}
          onClick={() => "value" in parsed && onAnswer({ input: parsed.value })}
        >
          Answer
        </button>
      </div>
    </>
  );
}
