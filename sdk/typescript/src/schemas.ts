import type { components } from "./generated/openapi.js";

/** The objects of the HTTP API by name, as docs/openapi.json describes them: `Schemas["Agent"]`. */
export type Schemas = components["schemas"];
