"""Faults of a page's layout that a machine can see."""

from __future__ import annotations

from contextlib import suppress

from playwright.sync_api import Page
from waiting import until

SIZES = ((390, 844), (720, 450), (768, 900), (1024, 768), (1440, 900), (1920, 1080))
"""Windows in which every view is looked at; among them 1440 by 900 at a zoom of 200 %."""
EXTREMES = ((320, 640), (2560, 1440))
"""Windows in which nothing may be wider than them."""
LAID_OUT_SECONDS = 2.0
_WIDER = "Math.max(0, document.documentElement.scrollWidth - innerWidth)"

FINDINGS = """
() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) found.push(`${root.scrollWidth - innerWidth} px wider than the window`);
  if (root.scrollHeight > innerHeight) found.push(`${root.scrollHeight - innerHeight} px taller than the window`);
  const shown = [...document.body.querySelectorAll("*")].filter((one) => one.checkVisibility());
  const name = (one) => `${one.tagName.toLowerCase()}.${one.className} "${one.textContent.trim().slice(0, 40)}"`;
  const scrolls = shown.filter((one) => {
    const {overflowY} = getComputedStyle(one);
    return /auto|scroll/.test(overflowY) && one.scrollHeight > one.clientHeight + 1 && one.clientHeight > 0;
  });
  for (const one of scrolls) {
    // Within each other, and both as wide as the window's content: two bars beside each other.
    const outer = scrolls.find((other) => other !== one && other.contains(one));
    if (outer && outer.getBoundingClientRect().right - one.getBoundingClientRect().right < 40)
      found.push(`two scrollbars: ${name(one)} in ${name(outer)}`);
  }
  for (const one of shown) {
    const style = getComputedStyle(one);
    const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || one.closest(".xterm, .cm-editor, .visually-hidden, .skip-link, .tooltip, svg")) continue;
    if (style.clipPath !== "none") continue;
    const cut = one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 2 && style.overflowX !== "visible";
    if (cut && style.textOverflow !== "ellipsis" && !/auto|scroll/.test(style.overflowX))
      found.push(`cut off: ${name(one)}`);
    const box = one.getBoundingClientRect();
    const frame = one.parentElement.closest("button, a, td, th, [role=cell], [role=gridcell], .button");
    if (frame && box.width && box.right > frame.getBoundingClientRect().right + 2)
      found.push(`sticks out: ${name(one)}`);
    if (box.right > innerWidth + 1 && box.left < innerWidth) {
      let over = one.parentElement;
      while (over && !/auto|scroll|hidden|clip/.test(getComputedStyle(over).overflowX)) over = over.parentElement;
      if (!over) found.push(`past the right edge: ${name(one)}`);
    }
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const cell = node.parentElement.closest("td, th, label, button");
    if (!cell || !cell.checkVisibility() || node.parentElement.closest("code, p")) continue;
    for (const word of node.data.matchAll(/[\\p{L}\\d\\/]{2,14}/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) found.push(`broken: ${word[0]} in ${name(cell)}`);
    }
  }
  for (const form of shown.filter((one) => one.matches("form"))) {
    const children = [...form.children].filter(
      (one) => one.checkVisibility() && getComputedStyle(one).position === "static");
    const parts = children.map((one) => [one, one.getBoundingClientRect()]);
    for (const [one, box] of parts)
      for (const [other, below] of parts)
        if (one !== other && below.top >= box.top + 1 && below.left < box.right && below.right > box.left)
          if (below.top < box.bottom + 3) found.push(`no room between ${name(one)} and ${name(other)}`);
  }
  return [...new Set(found)];
}
"""
"""JavaScript that returns one line for each thing; an empty list for a page that is well."""


def findings(page: Page) -> list[str]:
    """Return the faults of the layout in all sizes of the window, in which the page may take a moment to settle."""
    found: list[str] = []
    before = page.viewport_size
    assert before is not None
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width} x {height}: {one}" for one in _settled(page)]
    for width, height in EXTREMES:
        page.set_viewport_size({"width": width, "height": height})
        over = page.evaluate(_WIDER)
        found += [f"{width} x {height}: {over} px wider than the window"] if over else []
    page.set_viewport_size(before)
    return found


def _settled(page: Page) -> list[str]:
    found: list[str] = []

    def is_well() -> bool:
        found[:] = page.evaluate(FINDINGS)
        return not found

    with suppress(AssertionError):
        until("the page is laid out", is_well, LAID_OUT_SECONDS)
    return found
