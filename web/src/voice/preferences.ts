const STORAGE_KEY = "millrace.voice";
export const SPEEDS = { least: 0.5, most: 2 };

/** How the user wants to hear answers. */
export interface Preferences {
  /** Each new answer is spoken while it streams. */
  readonly isAutomatic: boolean;
  /** Empty for the deployment's own. */
  readonly voice: string;
  /** 1 is the voice's own pace. */
  readonly speed: number;
}

const USUAL: Preferences = { isAutomatic: false, voice: "", speed: 1 };

/** What was stored, as far as it makes sense. */
export function readPreferences(storage: Storage): Preferences {
  try {
    const stored = JSON.parse(storage.getItem(STORAGE_KEY) ?? "{}") as Partial<Preferences> | null;
    const speed = Number(stored?.speed);
    return {
      isAutomatic: stored?.isAutomatic === true,
      voice: typeof stored?.voice === "string" ? stored.voice.slice(0, 128) : "",
      speed: speed >= SPEEDS.least && speed <= SPEEDS.most ? speed : USUAL.speed,
    };
  } catch {
    return USUAL;
  }
}

/** Without room or permission to store, they hold until the page is left. */
export function storePreferences(storage: Storage, preferences: Preferences): void {
  try {
    storage.setItem(STORAGE_KEY, JSON.stringify(preferences));
  } catch {
    return;
  }
}
