export { type CommandCenterBoard, boardAfter } from "./board.js";
export { ownStream, withIds } from "./own-stream.js";
export { type SharedOptions, SharedStream } from "./shared-stream.js";
