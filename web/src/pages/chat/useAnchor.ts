import { useLocation } from "@tanstack/react-router";
import { type RefObject, useEffect, useRef } from "react";
import type { Entry } from "../../chat/state";

const SHOWN_MS = 2500;

/** Scrolls to the message after the `#` of the address once it is loaded, and highlights it. */
export function useAnchor(scroller: RefObject<HTMLElement | null>, entries: readonly Entry[], leave: () => void): void {
  const { hash } = useLocation();
  const visited = useRef("");
  useEffect(() => {
    if (visited.current === hash) return;
    const found = hash && scroller.current?.querySelector(`[data-anchor="${CSS.escape(hash)}"]`);
    if (!found) return;
    visited.current = hash;
    leave();
    found.scrollIntoView({ block: "center" });
    found.setAttribute("data-visited", "");
    setTimeout(() => found.removeAttribute("data-visited"), SHOWN_MS);
  }, [hash, entries, scroller, leave]);
}
