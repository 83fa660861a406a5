import type { ReactNode } from "react";

const PATHS = {
  send: "M12 19V5m0 0-6 6m6-6 6 6",
  stop: "M7 7h10v10H7z",
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  clip: "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.500 3.500 0 0 1 5 5l-8 8a2 2 0 0 1-3-3l7-7",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  close: "M6 6l12 12M18 6 6 18",
  trash: "M5 7h14M10 7V5h4v2m-7 0 1 12h8l1-12",
  down: "M12 5v14m0 0 6-6m-6 6-6-6",
  chevron: "M9 6l6 6-6 6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  cross: "M7 7l10 10M17 7 7 17",
  speaker: "M4 10v4h3l5 4V6L7 10zM15.500 9.500a3.500 3.500 0 0 1 0 5M18 7a7 7 0 0 1 0 10",
  muted: "M4 10v4h3l5 4V6L7 10zM16 10l5 4m0-4-5 4",
  sliders: "M4 8h9m5 0h2M4 16h2m5 0h9M13 8a2.500 2.500 0 1 0 5 0 2.500 2.500 0 1 0-5 0M6 16a2.500 2.500 0 1 0 5 0 2.500 2.500 0 1 0-5 0",
  waves: "M3 7c3-3 6-3 9 0s6 3 9 0M3 12.500c3-3 6-3 9 0s6 3 9 0M3 18c3-3 6-3 9 0s6 3 9 0",
} as const;

/** A drawing beside a text or inside a labelled button: never read aloud. */
export function Icon({ name }: { name: keyof typeof PATHS }): ReactNode {
  return (
    <svg className={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
