const PROBE = "millrace.probe";

/** Keeps values for this page only, if the browser refuses storage. */
class MemoryStorage implements Storage {
  readonly #values = new Map<string, string>();

  get length(): number {
    return this.#values.size;
  }

  key(index: number): string | null {
    return [...this.#values.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.#values.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#values.set(key, value);
  }

  removeItem(key: string): void {
    this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }
}

/** The browser's storage, or one in memory if it is refused (private windows, blocked cookies) or full. */
class SafeStorage implements Storage {
  readonly #memory = new MemoryStorage();

  constructor(private readonly find: () => Storage) {}

  get length(): number {
    return this.#attempt((storage) => storage.length) ?? this.#memory.length;
  }

  key(index: number): string | null {
    return this.#attempt((storage) => storage.key(index)) ?? this.#memory.key(index);
  }

  getItem(key: string): string | null {
    return this.#memory.getItem(key) ?? this.#attempt((storage) => storage.getItem(key)) ?? null;
  }

  setItem(key: string, value: string): void {
    const isStored = this.#attempt((storage) => (storage.setItem(key, value), true));
    if (isStored) this.#memory.removeItem(key);
    else this.#memory.setItem(key, value);
  }

  removeItem(key: string): void {
    this.#memory.removeItem(key);
    this.#attempt((storage) => storage.removeItem(key));
  }

  clear(): void {
    this.#memory.clear();
    this.#attempt((storage) => storage.clear());
  }

  isDurable(): boolean {
    return this.#attempt((storage) => (storage.setItem(PROBE, "1"), storage.removeItem(PROBE), true)) ?? false;
  }

  #attempt<Result>(action: (storage: Storage) => Result): Result | null {
    try {
      return action(this.find());
    } catch {
      return null;
    }
  }
}

/** Whether the storage outlives this page. */
export function isDurable(storage: Storage): boolean {
  return storage instanceof SafeStorage && storage.isDurable();
}

/** Shared by the tabs of this browser. Never throws. */
export const sharedStorage: Storage = new SafeStorage(() => localStorage);
/** Of this tab. Never throws. */
export const tabStorage: Storage = new SafeStorage(() => sessionStorage);
