export { ownStream } from "./own-stream.js";
export { type SharedOptions, SharedStream } from "./shared-stream.js";
