import { Unicode11Addon } from "@xterm/addon-unicode11";
import type { IUnicodeVersionProvider, Terminal } from "@xterm/xterm";

const EMOJI_VARIANT = 0xfe0f;
const MAY_BE_EMOJI = /^\p{Emoji}$/u;
const FIRST_PLAIN = 0x20;
const LAST_PLAIN = 0x7e;
const NAME = "11, emoji variants wide";

// What xterm hands from one character to the next, in bits: joined with the one before, its width, and room for us above.
const JOINED = 1;
const OWN_SHIFT = 3;
const OTHERS = (1 << OWN_SHIFT) - 1;
const widthOf = (properties: number): number => (properties >> 1) & 3;

/**
 * The widths of another provider, but that what is made an emoji (by U+FE0F: ❄️, 1️⃣) takes two columns, as it is drawn.
 * Each character is handed on to the turn of the next one: nothing more is done for those that are printed by the million.
 */
export class Widths implements IUnicodeVersionProvider {
  readonly version = NAME;
  readonly #base: IUnicodeVersionProvider;

  constructor(base: IUnicodeVersionProvider) {
    this.#base = base;
  }

  wcwidth(codepoint: number): 0 | 1 | 2 {
    return this.#base.wcwidth(codepoint);
  }

  charProperties(codepoint: number, preceding: number): number {
    // Most of what is printed.
    if (codepoint >= FIRST_PLAIN && codepoint <= LAST_PLAIN) return (codepoint << OWN_SHIFT) | (1 << 1);
    const before = preceding >> OWN_SHIFT;
    if (codepoint === EMOJI_VARIANT && before > 0 && MAY_BE_EMOJI.test(String.fromCodePoint(before))) {
      return (2 << 1) | JOINED;
    }
    const properties = this.#base.charProperties(codepoint, preceding & OTHERS);
    return widthOf(properties) === 1 && (properties & JOINED) === 0
      ? properties | (codepoint << OWN_SHIFT)
      : properties;
  }
}

/** Makes a terminal count columns so. */
export function countEmojiWide(terminal: Terminal): void {
  const register = (base: IUnicodeVersionProvider) => terminal.unicode.register(new Widths(base));
  // The add-on only registers its table; ours stands around it.
  new Unicode11Addon().activate({ unicode: { register } } as unknown as Terminal);
  terminal.unicode.activeVersion = NAME;
}
