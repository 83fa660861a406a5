/** Returns the part of a text that a path such as `transforms.0.config.field` refers to; the first line if there is none. */
export function locate(text: string, path: string): { from: number; to: number } {
  const keys = path.split(".").filter((key) => key !== "");
  const start = skipSpace(text, 0);
  const place = keys.reduce<number | null>((at, key) => (at === null ? null : memberAt(text, at, key)), start);
  if (place === null) return { from: 0, to: Math.max(text.indexOf("\n"), 1) };
  return { from: place, to: Math.max(endOfValue(text, place), place + 1) };
}

function skipSpace(text: string, at: number): number {
  return at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
}

/** Returns the position of a member's value in the object or list that begins at `at`. */
function memberAt(text: string, at: number, key: string): number | null {
  const open = text[at];
  if (open !== "{" && open !== "[") return null;
  let next = skipSpace(text, at + 1);
  for (let index = 0; next < text.length && text[next] !== "}" && text[next] !== "]"; index += 1) {
    let name = String(index);
    if (open === "{") {
      const end = endOfValue(text, next);
      name = text.slice(next + 1, end - 1);
      next = skipSpace(text, skipSpace(text, end) + 1);
    }
    if (name === key) return next;
    next = skipSpace(text, endOfValue(text, next));
    if (text[next] === ",") next = skipSpace(text, next + 1);
    else break;
  }
  return null;
}

function endOfValue(text: string, at: number): number {
  if (text[at] === '"') return endOfString(text, at);
  if (text[at] !== "{" && text[at] !== "[") return at + (/^[^\s,\]}:]*/.exec(text.slice(at))?.[0].length ?? 0);
  let depth = 0;
  for (let next = at; next < text.length; next += 1) {
    const character = text[next];
    if (character === '"') next = endOfString(text, next) - 1;
    else if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") {
      depth -= 1;
      if (depth === 0) return next + 1;
    }
  }
  return text.length;
}

function endOfString(text: string, at: number): number {
  for (let next = at + 1; next < text.length; next += 1) {
    if (text[next] === "\\") next += 1;
    else if (text[next] === '"') return next + 1;
  }
  return text.length;
}
