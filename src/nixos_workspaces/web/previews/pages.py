"""The pages that stand where a preview would: self-contained, in the browser's language, nothing loaded.

Programs get the same in the API's error shape.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import HTMLResponse, Response

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.web.http.errors import error_headers, error_response, status_of

STATE_HEADER = "X-Nixws-Preview"
"""Says that an answer is one of these pages and not the program's: ``waiting`` may end by itself."""
_WAITING = frozenset({"port_closed", "workspace_starting"})
_LOAD_ANEW = """
const look = async () => {
  try {
    const answer = await fetch(location.href, {method: "HEAD", headers: {Accept: "text/html"}, cache: "no-store"});
    if (answer.headers.get("X-Nixws-Preview") !== "waiting") { location.reload(); return; }
  } catch {}
  setTimeout(look, 1000);
};
setTimeout(look, 500);
"""
_PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style nonce="{nonce}">
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }}
code {{ font-family: ui-monospace, monospace; }}
a {{ display: inline-block; margin-top: .5rem; padding: .5rem 1rem; border: 1px solid; border-radius: .375rem;
  color: inherit; text-decoration: none; }}
a:focus-visible {{ outline: 3px solid; outline-offset: 2px; }}
</style>
<main data-code="{code}">
<h1>{title}</h1>
<p{live}>{text}</p>
{button}</main>
{script}</html>
"""

_TEXTS: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "en": {
        "port_closed": (
            "Nothing listens on port {port} yet",
            "Start the program in workspace {name}. This page waits for it and loads by itself.",
            "",
        ),
        "workspace_starting": (
            "Workspace {name} is starting",
            "Then start the program in it, if it does not start by itself. This page waits for it and loads by itself.",
            "",
        ),
        "not_running": (
            "Workspace {name} does not run",
            "What would answer here is in it. Start it, then start the program.",
            "Start it",
        ),
        "preview_not_found": (
            "There is no such preview, or it is not yours to see",
            "If the workspace is yours, open the port from NixOS Workspaces.",
            "Open it",
        ),
        "link_expired": (
            "This link is not valid any more",
            "It has expired, or its owner has made another one. Ask for a new link.",
            "",
        ),
        "program_changed": (
            "Another program listens here now",
            "The port was shown to others while a different program ran. Its owner can show it again.",
            "",
        ),
        "ticket_invalid": (
            "This address opened a preview already, or is too old",
            "Open the port from NixOS Workspaces again.",
            "Open it",
        ),
    },
    "de": {
        "port_closed": (
            "Auf Port {port} antwortet noch nichts",
            "Starten Sie das Programm im Workspace {name}. Diese Seite wartet darauf und lädt dann von selbst.",
            "",
        ),
        "workspace_starting": (
            "Workspace {name} startet",
            "Starten Sie darin das Programm, falls es das nicht von selbst tut. Diese Seite wartet darauf und lädt.",
            "",
        ),
        "not_running": (
            "Workspace {name} läuft nicht",
            "Was hier antworten würde, liegt darin. Starten Sie ihn und danach das Programm.",
            "Starten",
        ),
        "preview_not_found": (
            "Diese Vorschau gibt es nicht, oder sie ist nicht für Sie",
            "Ist der Workspace Ihrer, so öffnen Sie den Port in NixOS Workspaces.",
            "Öffnen",
        ),
        "link_expired": (
            "Dieser Link gilt nicht mehr",
            "Er ist abgelaufen, oder es gibt einen neuen. Bitten Sie um einen neuen Link.",
            "",
        ),
        "program_changed": (
            "Hier antwortet jetzt ein anderes Programm",
            "Der Port wurde freigegeben, als ein anderes Programm lief. Der Besitzer kann ihn wieder freigeben.",
            "",
        ),
        "ticket_invalid": (
            "Diese Adresse wurde schon benutzt oder ist zu alt",
            "Öffnen Sie den Port noch einmal in NixOS Workspaces.",
            "Öffnen",
        ),
    },
}
_OTHER = {"en": "This preview cannot be shown", "de": "Diese Vorschau kann nicht gezeigt werden"}


@dataclass(frozen=True, slots=True)
class Place:
    """The preview that a page stands for."""

    port: int
    name: str
    """The workspace as the address names it."""
    way: str
    """Address of the page of the service that leads on."""


def answer(error: WorkspacesError, place: Place, request_id: str, accept: str, languages: str) -> Response:
    """Return an error as a page, or in the API's shape where no page is wanted."""
    state = {STATE_HEADER: "waiting" if error.code in _WAITING else "refused"}
    if "text/html" not in accept:
        made = error_response(error, request_id, headers=state)
        made.headers["X-Request-Id"] = request_id
        return made
    language = language_of(languages)
    title, text, label = _TEXTS[language].get(error.code, (_OTHER[language], "", ""))
    filled = {"port": str(place.port), "name": place.name}
    nonce = secrets.token_urlsafe(16)
    button = f'<p><a href="{html.escape(place.way)}">{html.escape(label)}</a></p>\n' if label else ""
    page = _PAGE.format(
        language=language,
        code=html.escape(error.code),
        nonce=nonce,
        live=' role="status"' if error.code in _WAITING else "",
        title=html.escape(title.format(**filled)),
        text=html.escape(text.format(**filled) or error.message),
        button=button,
        script=f'<script nonce="{nonce}">{_LOAD_ANEW}</script>\n' if error.code in _WAITING else "",
    )
    status = status_of(error)
    headers = {
        **error_headers(status),
        **state,
        "Content-Security-Policy": f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request_id,
        "Vary": "Accept, Accept-Language",
    }
    return HTMLResponse(page, status_code=status, headers=headers)


def language_of(accepted: str) -> str:
    """Return the language of our pages that a browser likes most (RFC 9110, section 12.5.4)."""
    wishes: list[tuple[float, int, str]] = []
    for place, one in enumerate(accepted[:500].split(",")):
        tag, _, weight = one.strip().partition(";q=")
        try:
            liking = float(weight) if weight else 1.0
        except ValueError:
            liking = 0.0
        wishes.append((-liking, place, tag.strip().lower().partition("-")[0]))
    return next((tag for liking, _, tag in sorted(wishes) if tag in _TEXTS and liking < 0), "en")
