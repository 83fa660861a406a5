import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";

const NEAR_PX = 48;

interface FollowBottom {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly isAtBottom: boolean;
  readonly onScroll: () => void;
  readonly toBottom: () => void;
  /** The reader has scrolled away. */
  readonly leave: () => void;
}

/** Keeps a growing list scrolled to its end, unless the reader has scrolled away. */
export function useFollowBottom(content: unknown): FollowBottom {
  const scroller = useRef<HTMLDivElement>(null);
  const isPinned = useRef(true);
  const lastTop = useRef(0);
  const [isAtBottom, setAtBottom] = useState(true);

  const toBottom = useCallback(() => {
    isPinned.current = true;
    setAtBottom(true);
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  }, []);

  const leave = useCallback(() => {
    isPinned.current = false;
    setAtBottom(false);
  }, []);

  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    const isNearEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    // The list may have grown since we scrolled, so only scrolling up shows that the reader has left.
    if (isNearEnd) isPinned.current = true;
    else if (element.scrollTop < lastTop.current) isPinned.current = false;
    lastTop.current = element.scrollTop;
    setAtBottom(isPinned.current);
  }, []);

  useLayoutEffect(() => {
    if (isPinned.current) toBottom();
  }, [content, toBottom]);

  return { scroller, isAtBottom, onScroll, toBottom, leave };
}
