// The routes that have names: `client.<group>.<name>`. docs/openapi.json describes each.

export const AGENTS = {
  list: "GET /api/agents",
  create: "POST /api/agents",
  get: "GET /api/agents/{agent_id}",
  put: "PUT /api/agents/{agent_id}",
  update: "PATCH /api/agents/{agent_id}",
  delete: "DELETE /api/agents/{agent_id}",
  listTools: "GET /api/agents/{agent_id}/tools",
} as const;

export const KEYS = {
  list: "GET /api/keys",
  get: "GET /api/keys/{key_id}",
  /** The response has the secret, which is never shown again. */
  create: "POST /api/keys",
  rotate: "POST /api/keys/{key_id}/rotate",
  revoke: "DELETE /api/keys/{key_id}",
} as const;

export const ERASURES = {
  list: "GET /api/erasures",
  /** Erases all data of a user (`userId`) or of your organization (`organization`, its name). It cannot be undone. */
  create: "POST /api/erasures",
} as const;

export const EXPORTS = {
  list: "GET /api/exports",
  get: "GET /api/exports/{export_id}",
  /** Exports all data of a user (`userId`), or of your organization (`organization`, its name). */
  create: "POST /api/exports",
  /** The finished archives, with the URLs to download them. */
  parts: "GET /api/exports/{export_id}/parts",
  /** Cancels an export in progress, or deletes a finished one. */
  delete: "DELETE /api/exports/{export_id}",
} as const;

export const RETENTION = {
  get: "GET /api/retention",
  /** The number of days for which conversations are kept after their latest run; null means forever. */
  set: "PUT /api/retention",
} as const;

export const REVOCATIONS = {
  list: "GET /api/revocations",
  /** Revokes the current tokens of a user; `everybody: true` revokes those of all users. */
  create: "POST /api/revocations",
} as const;

export const LIMITS = {
  get: "GET /api/limits",
  change: "PATCH /api/limits",
  /** Today's usage, together with the limits. */
  usage: "GET /api/usage",
  stops: "GET /api/limits/stops",
  /** Stops all runs of an agent or of the organization; no new ones start. */
  stop: "POST /api/limits/stops",
  lift: "DELETE /api/limits/stops",
} as const;

export const CONVERSATIONS = {
  list: "GET /api/conversations",
  create: "POST /api/conversations",
  get: "GET /api/conversations/{conversation_id}",
  update: "PATCH /api/conversations/{conversation_id}",
  delete: "DELETE /api/conversations/{conversation_id}",
  /** Undoes a restorable deletion. */
  restore: "POST /api/conversations/{conversation_id}/restore",
  /** Answers a question again, in a branch next to the first answer. */
  regenerate: "POST /api/conversations/{conversation_id}/regenerate",
  /** Makes the branch with a message the active one. */
  selectBranch: "PUT /api/conversations/{conversation_id}/branch",
  listMessages: "GET /api/conversations/{conversation_id}/messages",
  /** Stops the run within about a second; what was said so far is kept. */
  stop: "POST /api/conversations/{conversation_id}/stop",
  /** Live messages that the agent has not read yet. */
  listInjected: "GET /api/conversations/{conversation_id}/inject",
  /** Withdraws a live message that the agent has not read. */
  withdraw: "DELETE /api/conversations/{conversation_id}/inject/{message_id}",
  listShares: "GET /api/conversations/{conversation_id}/shares",
  share: "POST /api/conversations/{conversation_id}/shares",
  unshare: "DELETE /api/conversations/{conversation_id}/shares",
} as const;

export const AUDIT = {
  /** The entries of the audit log, latest first. */
  list: "GET /api/audit",
} as const;

export const APPROVALS = {
  /** Calls that wait for a person. */
  list: "GET /api/approvals",
  /** Approves, rejects or answers a call of a run. The first answer counts. */
  answer: "POST /api/runs/{run_id}/answers",
} as const;

export const RUNS = {
  list: "GET /api/runs",
  get: "GET /api/runs/{run_id}",
  /** The events of a run with their times. */
  listEvents: "GET /api/runs/{run_id}/events",
  listModelCalls: "GET /api/runs/{run_id}/model-calls",
} as const;

export const FILES = {
  list: "GET /api/files",
  create: "POST /api/files",
  get: "GET /api/files/{file_id}",
  delete: "DELETE /api/files/{file_id}",
} as const;

export const MEMORIES = {
  list: "GET /api/memories",
  forget: "DELETE /api/memories/{agent_id}/{memory_id}",
  forgetUser: "DELETE /api/memories",
} as const;

export const STREAMING = {
  createPipeline: "POST /api/streaming/pipelines",
  listPipelines: "GET /api/streaming/pipelines",
  getPipeline: "GET /api/streaming/pipelines/{pipeline_id}",
  putPipeline: "PUT /api/streaming/pipelines/{pipeline_id}",
  updatePipeline: "PATCH /api/streaming/pipelines/{pipeline_id}",
  deletePipeline: "DELETE /api/streaming/pipelines/{pipeline_id}",
  startPipeline: "POST /api/streaming/pipelines/{pipeline_id}/start",
  pausePipeline: "POST /api/streaming/pipelines/{pipeline_id}/pause",
  resumePipeline: "POST /api/streaming/pipelines/{pipeline_id}/resume",
  stopPipeline: "POST /api/streaming/pipelines/{pipeline_id}/stop",
  process: "POST /api/streaming/pipelines/{pipeline_id}/process",
  batch: "POST /api/streaming/pipelines/{pipeline_id}/batch",
  getPipelineMetrics: "GET /api/streaming/pipelines/{pipeline_id}/metrics",
  getMetricsSeries: "GET /api/streaming/pipelines/{pipeline_id}/metrics/series",
  getPipelineHealth: "GET /api/streaming/pipelines/{pipeline_id}/health",
  getStats: "GET /api/streaming/stats",
  dryRun: "POST /api/streaming/pipelines/{pipeline_id}/dry-run",
  dryRunDefinition: "POST /api/streaming/dry-run",
  listRecordedEvents: "GET /api/streaming/pipelines/{pipeline_id}/events",
  replay: "POST /api/streaming/pipelines/{pipeline_id}/replay",
  createCheckpoint: "POST /api/streaming/pipelines/{pipeline_id}/checkpoints",
  listCheckpoints: "GET /api/streaming/pipelines/{pipeline_id}/checkpoints",
  restoreCheckpoint: "POST /api/streaming/pipelines/{pipeline_id}/checkpoints/{checkpoint_id}/restore",
  listVersions: "GET /api/streaming/pipelines/{pipeline_id}/versions",
  getVersion: "GET /api/streaming/pipelines/{pipeline_id}/versions/{version}",
  compareVersions: "GET /api/streaming/pipelines/{pipeline_id}/versions/{version}/diff",
  restoreVersion: "POST /api/streaming/pipelines/{pipeline_id}/versions/{version}/restore",
  listDestinations: "GET /api/streaming/pipelines/{pipeline_id}/destinations",
  enableDestination: "POST /api/streaming/pipelines/{pipeline_id}/destinations/{number}/enable",
  disableDestination: "POST /api/streaming/pipelines/{pipeline_id}/destinations/{number}/disable",
  testDestination: "POST /api/streaming/pipelines/{pipeline_id}/destinations/{number}/test",
  listDeadLetters: "GET /api/streaming/pipelines/{pipeline_id}/dead-letters",
  countDeadLetters: "GET /api/streaming/pipelines/{pipeline_id}/dead-letters/count",
  listDeadLetterGroups: "GET /api/streaming/pipelines/{pipeline_id}/dead-letters/groups",
  getDeadLetter: "GET /api/streaming/pipelines/{pipeline_id}/dead-letters/{dead_letter_id}",
  deleteDeadLetter: "DELETE /api/streaming/pipelines/{pipeline_id}/dead-letters/{dead_letter_id}",
  deleteDeadLetters: "POST /api/streaming/pipelines/{pipeline_id}/dead-letters/delete",
  redrive: "POST /api/streaming/pipelines/{pipeline_id}/dead-letters/redrive",
  listRedrives: "GET /api/streaming/pipelines/{pipeline_id}/dead-letters/redrives",
  getRedrive: "GET /api/streaming/pipelines/{pipeline_id}/dead-letters/redrives/{redrive_id}",
  cancelRedrive: "POST /api/streaming/pipelines/{pipeline_id}/dead-letters/redrives/{redrive_id}/cancel",
  listTemplates: "GET /api/streaming/templates",
  getTemplate: "GET /api/streaming/templates/{template_id}",
  createFromTemplate: "POST /api/streaming/templates/{template_id}/pipelines",
  getSchema: "GET /api/streaming/schema",
  listSecrets: "GET /api/streaming/secrets",
  putSecret: "PUT /api/streaming/secrets/{name}",
  deleteSecret: "DELETE /api/streaming/secrets/{name}",
} as const;

export const COMMAND_CENTER = {
  /** The active runs, and `since` to stream from. */
  snapshot: "GET /api/command-center/snapshot",
  /** The events of the last day with their times. */
  listEvents: "GET /api/command-center/events",
} as const;

export const ALERTS = {
  list: "GET /api/command-center/alerts",
  create: "POST /api/command-center/alerts",
  get: "GET /api/command-center/alerts/{rule_id}",
  put: "PUT /api/command-center/alerts/{rule_id}",
  update: "PATCH /api/command-center/alerts/{rule_id}",
  delete: "DELETE /api/command-center/alerts/{rule_id}",
  history: "GET /api/command-center/alerts/{rule_id}/history",
  getMetric: "GET /api/command-center/metrics",
} as const;

export const FLOWS = {
  list: "GET /api/flows",
  create: "POST /api/flows",
  get: "GET /api/flows/{name}",
  put: "PUT /api/flows/{name}",
  delete: "DELETE /api/flows/{name}",
  /** Runs a flow to its end, or until it waits for a person. */
  run: "POST /api/flows/{name}/events",
  listExecutions: "GET /api/flows/{name}/executions",
  getExecution: "GET /api/flows/{name}/executions/{execution_id}",
  cancelExecution: "POST /api/flows/{name}/executions/{execution_id}/cancel",
} as const;

export const VOICE = {
  listVoices: "GET /api/voice/voices",
  /** Stops a speech; the id is its `X-Stream-Id`. */
  stop: "POST /api/voice/streams/{stream_id}/stop",
} as const;

export const TICKETS = {
  create: "POST /api/stream-tickets",
} as const;
