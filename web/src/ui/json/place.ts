/** A position in JSON text that may be incomplete: the path of keys and indexes, and what is at the position. */
export interface JsonPlace {
  readonly path: readonly (string | number)[];
  /** A member's name, or a value. */
  readonly kind: "key" | "value";
  /** The start of the word at the cursor, including its quotation mark. */
  readonly from: number;
  /** The names that the object has before the cursor. */
  readonly siblings: readonly string[];
}

interface Level {
  readonly isObject: boolean;
  key: string;
  index: number;
  isValue: boolean;
  readonly names: string[];
}

/** Returns the place of the cursor; null outside of any value and after a complete one. */
export function placeAt(text: string, position: number): JsonPlace | null {
  const levels: Level[] = [];
  let from = position;
  for (let at = 0; at < position; ) {
    const character = text.charAt(at);
    const level = levels.at(-1);
    from = position;
    if (character === '"') {
      const end = endOfString(text, at, position);
      if (end === null) return found(levels, at);
      if (level?.isObject && !level.isValue) level.key = unquoted(text.slice(at, end));
      at = end;
    } else if (/[-\w.]/.test(character)) {
      const word = /^[-+\w.]+/.exec(text.slice(at, position))?.[0] ?? character;
      if (at + word.length === position) return found(levels, at);
      at += word.length;
    } else {
      step(levels, character);
      at += 1;
    }
  }
  return found(levels, from);
}

function step(levels: Level[], character: string): void {
  const level = levels.at(-1);
  if (character === "{" || character === "[") {
    levels.push({ isObject: character === "{", key: "", index: 0, isValue: character === "[", names: [] });
  } else if (character === "}" || character === "]") {
    levels.pop();
  } else if (level && character === ":") {
    level.isValue = true;
    level.names.push(level.key);
  } else if (level && character === ",") {
    level.index += 1;
    level.isValue = !level.isObject;
  }
}

function found(levels: readonly Level[], from: number): JsonPlace | null {
  const level = levels.at(-1);
  if (!level) return null;
  const outer = levels.slice(0, -1).map(keyOf);
  return level.isValue
    ? { path: [...outer, keyOf(level)], kind: "value", from, siblings: [] }
    : { path: outer, kind: "key", from, siblings: level.names };
}

function keyOf(level: Level): string | number {
  return level.isObject ? level.key : level.index;
}

/** Returns the position after the string that begins at `at`; null if it is still open at `limit`. */
function endOfString(text: string, at: number, limit: number): number | null {
  for (let next = at + 1; next < limit; next += 1) {
    if (text[next] === "\\") next += 1;
    else if (text[next] === '"') return next + 1;
  }
  return null;
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text.slice(1, -1);
  }
}
