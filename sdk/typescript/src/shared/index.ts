export { type CommandCenterBoard, boardAfter } from "./board.js";
export { ownStream, withIds } from "./own-stream.js";
export { scopeOf } from "./scope.js";
export { type SharedOptions, SharedStream } from "./shared-stream.js";
