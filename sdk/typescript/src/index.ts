export * from "./errors.js";
export { type PartialRunEvent, type RunEvent, type Usage, isTerminal, numberOf, parseRunEvent, runIdOf } from "./events.js";
export { RunReducer, reduceRun } from "./run/reducer.js";
export { extendParts, settleParts } from "./run/parts.js";
export * from "./run/state.js";
export type { Schemas } from "./schemas.js";
export { EventStream } from "./stream/event-stream.js";
export { backoffDelay } from "./stream/clock.js";
export { type FollowOptions, type LinkState, type Position, type Received, follow } from "./stream/follow.js";
