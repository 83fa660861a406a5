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
  chat: "M4 5h16v11H9l-5 4z",
  live: "M3 12h4l3-8 4 16 3-8h4",
  runs: "M4 6h7M8 12h8M13 18h7",
  agents: "M6 9h12v9H6zM12 9V5m-2-1h4M9.500 13v1m5-1v1",
  flows: "M4 4h6v5H4zM14 15h6v5h-6zM7 9v5a3 3 0 0 0 3 3h4",
  pipelines: "M3 8h5v8H3zM16 8h5v8h-5zM8 12h8m-3-3 3 3-3 3",
  alerts: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 20.500h4",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.500 4.500",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.500 20a7.500 7.500 0 0 1 15 0",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.500 1.500m11 11L19 19M5 19l1.500-1.500m11-11L19 5",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  system: "M3 5h18v11H3zM9 20h6m-3-4v4",
  exit: "M14 4h6v16h-6M10 8l-4 4 4 4M6 12h9",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  refresh: "M20 11a8 8 0 1 0-2 6m2-12v6h-6",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon next to a text or inside a labeled button; screen readers skip it. */
export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg className={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
