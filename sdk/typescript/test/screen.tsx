import { Window } from "happy-dom";
import { StrictMode, type ReactNode } from "react";
import { afterEach, beforeEach, vi } from "vitest";

// React looks for a screen when it is loaded. `fetch` and the rest stay Node's own.
const screen = new Window();
vi.stubGlobal("window", screen);
vi.stubGlobal("document", screen.document);
vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", false);
const { createRoot } = await import("react-dom/client");

let unmounts: (() => void)[] = [];
let frames: (() => void)[] = [];
beforeEach(() => {
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
  vi.stubGlobal("cancelAnimationFrame", (frame: number) => void (frames[frame - 1] = () => undefined));
});
afterEach(() => {
  for (const unmount of unmounts.splice(0)) unmount();
  vi.restoreAllMocks();
});

/** Shows a component, in React's strict mode, which mounts everything twice. */
export function mount(node: ReactNode): () => void {
  const root = createRoot(screen.document.createElement("div") as unknown as HTMLElement);
  root.render(<StrictMode>{node}</StrictMode>);
  const unmount = () => root.unmount();
  unmounts.push(unmount);
  return unmount;
}

export function draw(): void {
  for (const run of frames.splice(0)) run();
}

/** Draws frames until the assertion holds. */
export async function eventually(assertion: () => void): Promise<void> {
  await vi.waitFor(
    () => {
      draw();
      assertion();
    },
    { timeout: 20_000 },
  );
}
