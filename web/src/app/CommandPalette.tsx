import { type ReactNode, useEffect, useSyncExternalStore } from "react";
import { Dialog } from "../ui/Dialog";
import { PaletteList } from "./PaletteList";

const listeners = new Set<() => void>();
let isOpen = false;

function setOpen(next: boolean): void {
  isOpen = next;
  for (const listener of listeners) listener();
}

export function openPalette(): void {
  setOpen(true);
}

/** The command palette: Ctrl-K, or Cmd-K on a Mac. It is never lazy, because users type immediately after the shortcut. */
export function CommandPalette(): ReactNode {
  const shown = useSyncExternalStore(subscribe, () => isOpen);
  useEffect(() => {
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  return (
    <Dialog title="Search" isOpen={shown} onClose={() => setOpen(false)}>
      <PaletteList onDone={() => setOpen(false)} />
    </Dialog>
  );
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
  event.preventDefault();
  setOpen(!isOpen);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
