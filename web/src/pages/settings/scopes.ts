/** The scopes that a key can have (see docs/access.md). */
export const SCOPES: readonly { readonly name: string; readonly about: string }[] = [
  { name: "chat", about: "talk to agents" },
  { name: "voice", about: "speak and listen" },
  { name: "observe", about: "see all runs and conversations" },
  { name: "alerts:write", about: "change alert rules" },
  { name: "conversations:manage", about: "act in all conversations, stop agents" },
  { name: "agents:read", about: "read the definitions of agents" },
  { name: "agents:write", about: "change agents and flows" },
  { name: "pipelines:read", about: "read pipelines" },
  { name: "pipelines:write", about: "change pipelines, send events" },
  { name: "organization:manage", about: "manage keys, limits and everything else" },
];
