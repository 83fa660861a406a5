import type { Calls, Route } from "./api/operations.js";
import { ALERTS, AUDIT, ERASURES, EXPORTS, KEYS, LIMITS, RETENTION, REVOCATIONS } from "./api/routes.js";
import type { Millrace } from "./client.js";

/** Operations for operators and administrators, separate from the client so that pages for users need not load them. */
export interface Administration {
  readonly alerts: Calls<typeof ALERTS>;
  readonly audit: Calls<typeof AUDIT>;
  readonly erasures: Calls<typeof ERASURES>;
  readonly exports: Calls<typeof EXPORTS>;
  readonly keys: Calls<typeof KEYS>;
  /** Limits, usage, and stops. */
  readonly limits: Calls<typeof LIMITS>;
  readonly retention: Calls<typeof RETENTION>;
  readonly revocations: Calls<typeof REVOCATIONS>;
}

/** The named routes of operators and administrators: `administration(client).keys.list()`. */
export function administration(client: Millrace): Administration {
  const of = <const Routes extends Record<string, Route>>(routes: Routes): Calls<Routes> => {
    const functions = Object.entries(routes).map(([name, route]) => [name, (...args: never) => client.call(route, ...args) as unknown]);
    return Object.fromEntries(functions) as Calls<Routes>;
  };
  return {
    alerts: of(ALERTS),
    audit: of(AUDIT),
    erasures: of(ERASURES),
    exports: of(EXPORTS),
    keys: of(KEYS),
    limits: of(LIMITS),
    retention: of(RETENTION),
    revocations: of(REVOCATIONS),
  };
}
