import { useEffect, useRef } from "react";

/**
 * Runs `action` on Escape unless a layer above the page (dialog, menu, popover) handles the key: the topmost one
 * closes, and nothing below it gets the event.
 */
export function useEscape(action: () => void): void {
  const latest = useRef(action);
  latest.current = action;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const isFree = event.key === "Escape" && !event.isComposing && !event.defaultPrevented;
      if (isFree && !document.querySelector(":popover-open, :modal")) latest.current();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
}
