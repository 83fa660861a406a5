import { useSyncExternalStore } from "react";
import { sharedStorage } from "../api/storage";

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];
const KEY = "millrace.theme";
const listeners = new Set<() => void>();
const darkness = matchMedia("(prefers-color-scheme: dark)");

export function currentTheme(): Theme {
  const kept = sharedStorage.getItem(KEY);
  return THEMES.find((theme) => theme === kept) ?? "system";
}

/** Applies the chosen theme to the page; the system's theme needs no attribute. */
export function applyTheme(): void {
  const theme = currentTheme();
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  for (const listener of listeners) listener();
}

export function chooseTheme(theme: Theme): void {
  sharedStorage.setItem(KEY, theme);
  applyTheme();
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, currentTheme);
}

/** Whether dark colors are on, by choice or by the system. */
export function useIsDark(): boolean {
  return useSyncExternalStore(subscribe, isDark);
}

function isDark(): boolean {
  const theme = currentTheme();
  return theme === "dark" || (theme === "system" && darkness.matches);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  darkness.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    darkness.removeEventListener("change", listener);
  };
}

// Another tab may change it, too.
addEventListener("storage", (event) => {
  if (event.key === KEY) applyTheme();
});
