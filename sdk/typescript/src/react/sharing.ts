/** Loaded separately, so that no first token waits for it. */
let loading: Promise<typeof import("../shared/index.js")> | undefined;

export function sharing(): Promise<typeof import("../shared/index.js")> {
  return (loading ??= import("../shared/index.js"));
}
