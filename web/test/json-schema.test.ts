import { describe, expect, it } from "vitest";
import { locate } from "../src/ui/json/locate";
import { placeAt } from "../src/ui/json/place";
import { completeBy, type JsonSchema } from "../src/ui/json/schema";

const SCHEMA: JsonSchema = {
  type: "object",
  required: ["name"],
  properties: {
    name: { type: "string" },
    steps: { type: "array", items: { oneOf: [{ $ref: "#/$defs/Filter" }, { $ref: "#/$defs/Map" }] } },
    enabled: { type: "boolean" },
  },
  $defs: {
    Filter: {
      type: "object",
      required: ["type"],
      properties: { type: { const: "filter" }, operator: { enum: ["eq", "gt"], description: "How to compare." } },
    },
    Map: { type: "object", properties: { type: { const: "map" }, expression: { type: "object" } } },
  },
};

/** The labels that are offered where `|` stands. */
function offered(text: string): string[] {
  const position = text.indexOf("|");
  const found = completeBy(SCHEMA)({ text: text.replace("|", ""), position });
  return found?.options.map(({ label }) => label) ?? [];
}

describe("completion by a schema", () => {
  it("offers the members that an object does not have yet", () => {
    expect(offered('{"name": "x", |}')).toEqual(['"steps"', '"enabled"']);
    expect(offered("{|}")).toEqual(['"name"', '"steps"', '"enabled"']);
  });

  it("offers the values of an enumeration, and of booleans", () => {
    expect(offered('{"steps": [{"type": "filter", "operator": |}]}')).toEqual(['"eq"', '"gt"']);
    expect(offered('{"enabled": |}')).toEqual(["true", "false"]);
  });

  it("decides between alternatives by what is written", () => {
    expect(offered('{"steps": [{"type": "filter", "|"}]}')).toContain('"operator"');
    expect(offered('{"steps": [{"type": "map"}, {"type": "map", "o": |1}]}')).toEqual([]);
  });

  it("begins where the word begins", () => {
    const text = '{"name": "a", "ste';
    expect(completeBy(SCHEMA)({ text, position: text.length })?.from).toBe(text.indexOf('"ste'));
  });

  it("offers nothing outside of the document", () => {
    expect(offered("|")).toEqual([]);
    expect(offered("{} |")).toEqual([]);
  });
});

describe("a place in JSON", () => {
  it("is found in texts that are not finished", () => {
    expect(placeAt('{"a": [{"b": "x, y: {", "c": ', 29)).toMatchObject({ path: ["a", 0, "c"], kind: "value" });
    expect(placeAt('{"a": {"b": 1, ', 15)).toMatchObject({ path: ["a"], kind: "key", siblings: ["b"] });
    expect(placeAt("[1, 2, ", 7)).toMatchObject({ path: [2], kind: "value" });
  });

  it("never fails, wherever a text is cut", () => {
    const text = '{"a": ["\\"", {"b": [true, null, -1.5e3]}], "c\\\\": {"d": "}"}}';
    for (let cut = 0; cut <= text.length; cut += 1) expect(() => placeAt(text.slice(0, cut), cut)).not.toThrow();
  });
});

describe("a path in JSON", () => {
  it("leads to its value", () => {
    const text = '{\n  "a": [{"b": 1}, {"b": "two"}],\n  "c": {"d": [1, 2]}\n}';
    const at = (path: string) => {
      const { from, to } = locate(text, path);
      return text.slice(from, to);
    };
    expect(at("a.1.b")).toBe('"two"');
    expect(at("a.0")).toBe('{"b": 1}');
    expect(at("c.d.1")).toBe("2");
    expect(at("nowhere")).toBe("{");
  });
});
