import { encoded, parentOf, rawBytes } from "../paths";

/** Where a link of a Markdown file leads: out, or to a file of the workspace. */
type Address = { href: string } | { file: string };

/** The address of a link's target; null for what nobody should be led to. */
export function addressOf(target: string, path: string): Address | null {
  if (/^(https?:\/\/|mailto:)/i.test(target)) return { href: target };
  if (/^www\./i.test(target)) return { href: `https://${target}` };
  // Another scheme, another host, or a place in the same file.
  if (/^[a-z][a-z0-9+.-]*:|^\/\/|^#|^\\/i.test(target)) return null;
  const name = target.replace(/[?#].*$/s, "");
  if (!name) return null;
  const typed = new TextDecoder().decode(rawBytes(name));
  const parts = typed.startsWith("/") ? [] : parentOf(path).split("/").filter(Boolean);
  for (const part of typed.split("/")) {
    if (part === "..") parts.pop();
    else if (part && part !== ".") parts.push(encoded(part));
  }
  return { file: `/${parts.join("/")}` };
}
