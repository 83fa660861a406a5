import type { Completion } from "@codemirror/autocomplete";
import type { EditorPlace } from "../CodeEditor";
import { type JsonPlace, placeAt } from "./place";

/** The parts of a JSON Schema that completion uses. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

type Complete = (place: EditorPlace) => { from: number; options: Completion[] } | null;

/** Completes member names and values from a schema. */
export function completeBy(root: JsonSchema): Complete {
  return ({ text, position }) => {
    const place = placeAt(text, position);
    if (!place) return null;
    const value = parsed(text);
    const schemas = reach(root, [root], place.path, value);
    const options = place.kind === "key" ? names(root, schemas, place) : values(root, schemas);
    return options.length > 0 ? { from: place.from, options } : null;
  };
}

/** Returns the schemas that apply at a path. If the value can be parsed, it decides between alternatives. */
function reach(
  root: JsonSchema,
  schemas: readonly JsonSchema[],
  path: readonly (string | number)[],
  value: unknown,
): readonly JsonSchema[] {
  const open = schemas.flatMap((schema) => alternatives(root, schema));
  const fitting = open.filter((schema) => fits(root, schema, value));
  const chosen = fitting.length > 0 ? fitting : open;
  const [key, ...rest] = path;
  if (key === undefined) return chosen;
  const inner = chosen.flatMap((schema) => {
    const next = typeof key === "number" ? schema.items : schema.properties?.[key];
    return next ? [next] : [];
  });
  return reach(root, inner, rest, memberOf(value, key));
}

function memberOf(value: unknown, key: string | number): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;
}

/** Returns a schema's alternatives, with references resolved. */
function alternatives(root: JsonSchema, schema: JsonSchema): readonly JsonSchema[] {
  const { $ref, anyOf, oneOf, allOf } = schema;
  if ($ref) {
    const name = $ref.split("/").at(-1) ?? "";
    const target = root.$defs?.[name];
    return target ? alternatives(root, target) : [];
  }
  const several = anyOf ?? oneOf ?? allOf;
  return several ? several.flatMap((one) => alternatives(root, one)) : [schema];
}

/** Whether constant members, such as `type`, match this alternative. */
function fits(root: JsonSchema, schema: JsonSchema, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return schema.items !== undefined || schema.type === "array";
  if (!schema.properties) return schema.type === undefined || schema.type === "object";
  return Object.entries(value).every(([name, member]) => {
    const allowed = constants(root, schema.properties?.[name]);
    return allowed === null || allowed.includes(member);
  });
}

function constants(root: JsonSchema, schema: JsonSchema | undefined): readonly unknown[] | null {
  if (!schema) return null;
  const [only, ...others] = alternatives(root, schema);
  if (!only || others.length > 0) return null;
  if (only.const !== undefined) return [only.const];
  return only.enum ?? null;
}

function names(root: JsonSchema, schemas: readonly JsonSchema[], place: JsonPlace): Completion[] {
  const found = new Map<string, Completion>();
  for (const schema of schemas) {
    for (const [name, member] of Object.entries(schema.properties ?? {})) {
      if (place.siblings.includes(name) || found.has(name)) continue;
      const isRequired = schema.required?.includes(name) ?? false;
      const info = member.description ?? alternatives(root, member)[0]?.description;
      found.set(name, {
        label: `"${name}"`,
        type: "property",
        detail: isRequired ? "required" : "",
        boost: isRequired ? 1 : 0,
        apply: `"${name}": ${opening(root, member)}`,
        ...(info && { info }),
      });
    }
  }
  return [...found.values()];
}

/** Returns the text with which a value of this schema begins. */
function opening(root: JsonSchema, schema: JsonSchema): string {
  if (schema.default !== undefined && typeof schema.default !== "object") return JSON.stringify(schema.default);
  const first = alternatives(root, schema)[0];
  if (!first) return "";
  if (first.const !== undefined) return JSON.stringify(first.const);
  return { object: "{}", array: "[]", string: '""' }[String(first.type)] ?? "";
}

function values(root: JsonSchema, schemas: readonly JsonSchema[]): Completion[] {
  const labels = new Map<string, Completion>();
  for (const schema of schemas) {
    for (const one of plainValues(root, schema)) {
      const label = JSON.stringify(one);
      labels.set(label, { label, type: "constant", ...(schema.description && { info: schema.description }) });
    }
  }
  return [...labels.values()];
}

function plainValues(root: JsonSchema, schema: JsonSchema): readonly unknown[] {
  if (schema.const !== undefined) return [schema.const];
  if (schema.enum) return schema.enum;
  if (schema.type === "boolean") return [true, false];
  return schema.properties ? [skeleton(root, schema)] : [];
}

/** Returns an object with its required members. */
function skeleton(root: JsonSchema, schema: JsonSchema): Record<string, unknown> {
  const required = schema.required ?? [];
  const entries = required.map((name) => [name, emptyOf(root, schema.properties?.[name] ?? {})]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function emptyOf(root: JsonSchema, schema: JsonSchema): unknown {
  const first = alternatives(root, schema)[0] ?? {};
  if (first.const !== undefined) return first.const;
  if (first.enum) return first.enum[0];
  const empty: Record<string, unknown> = { object: {}, array: [], string: "", integer: 0, number: 0, boolean: false };
  return empty[String(first.type)] ?? null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
