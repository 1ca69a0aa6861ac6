#!/usr/bin/env python3
"""Make the icons of the installed page out of its favicon: .venv/bin/python ui/scripts/icons.py.

They are kept as files, so that building the page needs no browser; run it after a change of ``public/favicon.svg``.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

PUBLIC = Path(__file__).resolve().parent.parent / "public"
GROUND = "#0f1317"
ICONS = {
    "icon-192.png": (192, 0.08, "24%"),
    "icon-512.png": (512, 0.08, "24%"),
    "apple-touch-180.png": (180, 0.12, "0"),
    "maskable-512.png": (512, 0.2, "0"),
}
"""Of each icon its size in pixels, the share of it that stays free at each side, and the radius of its corners.

A maskable icon may be cut to a circle: the inner four fifths of it are always seen.
"""


def main() -> None:
    """Write every icon."""
    drawing = (PUBLIC / "favicon.svg").read_text()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, (size, free, radius) in ICONS.items():
            page = browser.new_page(viewport={"width": size, "height": size})
            style = f"box-sizing:border-box;width:{size}px;height:{size}px;padding:{size * free}px;"
            look = f"background:{GROUND};border-radius:{radius}"
            page.set_content(f'<body style="margin:0"><div style="{style}{look}">{drawing}</div></body>')
            page.screenshot(path=PUBLIC / "icons" / name, omit_background=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
