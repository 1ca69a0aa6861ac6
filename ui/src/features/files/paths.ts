/**
 * Paths of a workspace, as the API writes them: absolute and percent-encoded, so that names of any bytes survive. They
 * go into addresses as they are; `shown` is for people only.
 */

export const HOME = "/home/nixos";

/** The bytes that an encoded path stands for. */
export function rawBytes(path: string): Uint8Array {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const [piece] of path.matchAll(/%[0-9A-Fa-f]{2}|[^%]+|%/g)) {
    if (piece.length === 3 && piece.startsWith("%")) bytes.push(Number.parseInt(piece.slice(1), 16));
    else bytes.push(...encoder.encode(piece));
  }
  return new Uint8Array(bytes);
}

/** A path or name for people; bytes that are not UTF-8 become replacement characters. */
export const shown = (path: string): string => new TextDecoder().decode(rawBytes(path));

/** A typed path or name as the API takes it. */
export const encoded = (typed: string): string => typed.split("/").map(encodeURIComponent).join("/");

/** `name` (encoded, may hold slashes) below a directory. */
export const joined = (directory: string, name: string): string =>
  `${directory === "/" ? "" : directory}/${name}`;

export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

/** The directories from the root to a path, each with its whole path. */
export function crumbs(path: string): { name: string; path: string }[] {
  const parts = path.split("/").filter(Boolean);
  return [
    { name: "/", path: "/" },
    ...parts.map((name, index) => ({ name: shown(name), path: `/${parts.slice(0, index + 1).join("/")}` })),
  ];
}

/** An encoded path inside a query, where `&`, `+` and `;` would mean something else. */
export const inQuery = (path: string): string =>
  path.replace(/[&+;#?]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** A name like another one that is taken: `a.txt` becomes `a (2).txt`. */
export function renamed(name: string, number: number): string {
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  return `${stem}%20(${number})${ending}`;
}
