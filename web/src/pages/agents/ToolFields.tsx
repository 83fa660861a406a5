import { type ReactNode, useState } from "react";
import { Icon } from "../../ui/Icon";
import { Section } from "../../ui/Page";
import { errorOf, type PartProps } from "./BasicFields";
import type { DraftTool, Rule } from "./draft";
import { useAgentParts } from "./model";

const RULES: readonly { value: Rule; label: string }[] = [
  { value: "auto", label: "Runs without asking" },
  { value: "ask", label: "Always asks" },
  { value: "when", label: "Asks when…" },
];

/** The tools, each with its approval rule. */
export function ToolFields({ draft, change, problems }: PartProps): ReactNode {
  const { tools } = draft;
  const put = (at: number, tool: DraftTool) => change({ tools: tools.map((one, index) => (index === at ? tool : one)) });
  const remove = (at: number) => change({ tools: tools.filter((_, index) => index !== at) });
  return (
    <Section title="Tools">
      {tools.length > 0 && (
        <ul className="tool-list">
          {tools.map((tool, at) => (
            <Tool
              key={tool.name}
              tool={tool}
              error={errorOf(problems, `tools.${at}`)}
              onChange={(changed) => put(at, changed)}
              onRemove={() => remove(at)}
            />
          ))}
        </ul>
      )}
      <AddTool taken={tools.map(({ name }) => name)} onAdd={(name) => change({ tools: [...tools, { name, rule: "auto", when: "", rest: {} }] })} />
    </Section>
  );
}

interface ToolProps {
  readonly tool: DraftTool;
  readonly error: string | null;
  readonly onChange: (tool: DraftTool) => void;
  readonly onRemove: () => void;
}

function Tool({ tool, error, onChange, onRemove }: ToolProps): ReactNode {
  const about = useAgentParts()?.tools.find(({ name }) => name === tool.name)?.description;
  return (
    <li className="card agent-tool">
      <div className="agent-tool-head">
        <strong className="mono">{tool.name}</strong>
        <select
          className="input"
          aria-label={`When ${tool.name} asks`}
          value={tool.rule}
          onChange={(event) => onChange({ ...tool, rule: event.target.value as Rule })}
        >
          {RULES.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <button type="button" className="bare" aria-label={`Remove ${tool.name}`} onClick={onRemove}>
          <Icon name="close" />
        </button>
      </div>
      {about && <p className="muted">{about.split("\n")[0]}</p>}
      {tool.rule === "when" && (
        <input
          className="input mono"
          aria-label={`Condition for ${tool.name} to ask`}
          placeholder="amount > 50"
          value={tool.when}
          onChange={(event) => onChange({ ...tool, when: event.target.value })}
        />
      )}
      {error && <p className="field-error">{error}</p>}
    </li>
  );
}

function AddTool({ taken, onAdd }: { taken: readonly string[]; onAdd: (name: string) => void }): ReactNode {
  const [name, setName] = useState("");
  const offered = (useAgentParts()?.tools ?? []).filter((one) => !taken.includes(one.name));
  const isNew = name.trim() !== "" && !taken.includes(name.trim());
  const add = () => {
    onAdd(name.trim());
    setName("");
  };
  return (
    <div className="add-tool">
      <input
        className="input mono"
        aria-label="Tool to add"
        list="tools"
        placeholder="calculator, agent:<id>, <server>__<tool>"
        value={name}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          if (isNew) add();
        }}
      />
      <datalist id="tools">
        {offered.map((one) => (
          <option key={one.name} value={one.name}>
            {one.description}
          </option>
        ))}
      </datalist>
      <button type="button" className="button" disabled={!isNew} onClick={add}>
        Add
      </button>
    </div>
  );
}
