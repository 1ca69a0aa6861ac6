/** One value that a change replaced, by its path; undefined where there was, or is, none. */
export interface Changed {
  path: string;
  before: string | undefined;
  after: string | undefined;
}

type Values = Record<string, unknown> | null | undefined;

/** Every value that differs, by its path. */
export function changes(before: Values, after: Values): Changed[] {
  const old = new Map(before ? leaves(before) : []);
  const now = new Map(after ? leaves(after) : []);
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((path) => ({ path, before: old.get(path), after: now.get(path) }))
    .filter((one) => one.before !== one.after);
}

function* leaves(value: unknown, path = ""): Generator<[string, string]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    yield [path, typeof value === "string" ? value : JSON.stringify(value)];
    return;
  }
  for (const [name, inner] of Object.entries(value)) yield* leaves(inner, path ? `${path}.${name}` : name);
}
