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

/** Returns the valid parts of the stored settings. */
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

/** If they cannot be stored, they apply until the page is closed. */
export function storePreferences(storage: Storage, preferences: Preferences): void {
  try {
    storage.setItem(STORAGE_KEY, JSON.stringify(preferences));
  } catch {
    return;
  }
}
