"""How the browser UI feels, in Debian's Chromium: lists of thousands, the first view, output, many files and switches.

Its parts, each alone on the machine:

- ``list``: the real control plane over engines that are values (a thousand machines do not fit), a thousand running
  workspaces. Keys go into the filter and the wheel turns over the list; of each interaction the time from the browser's
  own event to the end of the frame that shows it is taken in the page.
- ``many``: the same over ten thousand stopped workspaces (``bench_many.py``'s database and node).
- ``first``: the same service, warm; a browser without any cache opens the list. Ends when the first workspace is on the
  screen, the frame is painted, and the page is idle enough to run a callback.
- ``output``: a real workspace and ttyd print the same file of 10 MB; ttyd with xterm's DOM renderer, as our page has it
  without a graphics card (with WebGL on a software renderer ttyd's page had not shown the end after a minute). From the
  Enter key to the frame that shows the line after it. Every byte that reached the page is hashed, and ours has to have
  been acknowledged by the page, which it does when xterm has taken in all but the last 256 KiB.
- ``stop``: the same workspace prints 60 MB; from a Ctrl-C in the midst of it to the frame that shows the prompt.
- ``files``: a directory of 8,000 names; from its address to the frame with the first names and that with all.
- ``switches``: between two terminals, and between a workspace's terminal and its overview, 200 times each; what the
  page holds after that, without garbage, beside what it held after 300 that came before: by then what the
  browser compiles and keeps of the program has come to rest.

Writes ``results/ui.json``. A part of it: ``--only list``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))

import httpx2
from benchmarks.bench_many import COUNT, fill, serve_node
from benchmarks.terminal.software import TTYD, fetch
from fakes import FakeEnvironments, FakeRuntime, World, fake_services, outside
from playwright.sync_api import Browser, Page
from system.browser import chromium
from system.service import Service, free_port, running_service
from waiting import until
from web_service import running_web

from nixos_workspaces.runtimes.local import LocalRuntime
from nixos_workspaces.services import DATABASE, Services, open_services
from nixos_workspaces.settings import Settings
from nixos_workspaces.workspaces.reconciler import Timing

RESULTS = Path(__file__).resolve().parent / "results"
WORKSPACES = 1000
SIZE = 10_000_000
LINE = 100
PATIENCE_MS = 60_000
TEMPLATES = ("minimal", "development", "python", "nodejs")
Figures = dict[str, Any]

INTERACTIONS = """
(() => {
  const found = window.interactions = [];
  // The end of the frame that shows an event: after the next frame's callbacks, once its painting is done.
  const painted = (start, kind) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => found.push({kind, ms: performance.now() - start});
    channel.port2.postMessage(0);
  });
  addEventListener("input", (event) => painted(event.timeStamp, "type"), true);
  addEventListener("wheel", (event) => painted(event.timeStamp, "scroll"), {capture: true, passive: true});
})();
"""

FIRST = """
(() => {
  const seen = () => document.querySelector(".table-row .workspace-item-name");
  const look = () => {
    if (!seen()) return requestAnimationFrame(look);
    window.firstRow = performance.now();
    requestAnimationFrame(() => requestIdleCallback(() => { window.interactive = performance.now(); }));
  };
  requestAnimationFrame(look);
})();
"""

TAP = """
(() => {
  const Real = window.WebSocket;
  const tap = window.tap = {frames: [], acknowledged: 0, worstFrame: 0};
  window.WebSocket = class extends Real {
    constructor(...given) {
      super(...given);
      if (!/terminal|\\/ws$/.test(this.url)) return;
      this.addEventListener("message", (event) => tap.frames.push(event.data));
    }
    send(data) {
      if (typeof data === "string" && data.includes('"ack"')) tap.acknowledged += JSON.parse(data).frames;
      super.send(data);
    }
  };
})();
"""

PRINTED = """
(marker) => new Promise((resolve) => {
  const start = performance.now();
  const shows = () => {
    if (window.term) {
      const {active} = window.term.buffer;
      for (let row = active.length - 1; row >= Math.max(0, active.length - 4); row--) {
        if (active.getLine(row)?.translateToString(true) === marker) return true;
      }
      return false;
    }
    const rows = document.querySelectorAll(".xterm-rows > div");
    return [...rows].slice(-4).some((row) => row.textContent.trim() === marker);
  };
  let last = start, worst = 0;
  const look = () => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    if (shows() || now - start > 60_000) resolve({ms: now - start, worstFrame: worst});
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""

PROMPT = "window.term?.buffer.active.getLine(0)?.translateToString().includes('$')"

RECEIVED = """
async (skip) => {
  const parts = [];
  for (const frame of window.tap.frames) {
    if (typeof frame === "string") continue;
    const buffer = frame instanceof Blob ? await frame.arrayBuffer() : frame;
    parts.push(new Uint8Array(buffer, skip));
  }
  const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
  const text = new TextDecoder("latin1").decode(whole);
  const from = text.lastIndexOf("BEGIN\\r\\n") + 7, to = text.lastIndexOf("DONE");
  const digest = await crypto.subtle.digest("SHA-256", whole.subarray(from, to));
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return {bytes: to - from, sha256: hex, frames: parts.length, acknowledged: window.tap.acknowledged};
}
"""


STOPPED = """
() => new Promise((resolve) => {
  let last = performance.now(), worst = 0, start = 0;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.code === "KeyC") start = event.timeStamp;
  }, {capture: true});
  const look = () => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    const rows = [...document.querySelectorAll(".xterm-rows > div")].map((row) => row.textContent.trim());
    const prompt = rows.findLast((row) => row !== "") ?? "";
    if (start && /nixos@.*[$]$/.test(prompt)) resolve({ms: now - start, worstFrame: worst});
    else if (start && now - start > 60_000) resolve(null);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""

NAMES = """
([address, count]) => new Promise((resolve) => {
  const start = performance.now();
  let first = 0;
  history.pushState({}, "", address);
  const look = () => {
    const table = document.querySelector(".crumbs a[aria-current]")?.textContent !== "/" &&
      document.querySelector(".files-table");
    const rows = table ? Number(table.getAttribute("aria-rowcount")) : 0;
    if (rows > 1) first ||= performance.now() - start;
    if (rows >= count || performance.now() - start > 60_000) resolve({first, all: performance.now() - start});
    else requestAnimationFrame(look);
  };
  look();
})
"""

NAMES_COUNT = 8000
SWITCHES = 200
FIRST_SWITCHES = 300


def machine(browser: Browser) -> Figures:
    """Describe where the figures come from."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "python": platform.python_version(),
        "chromium": browser.version,
    }


def spread(values: list[float]) -> Figures:
    """Return what matters of many times, in milliseconds."""
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(len(ordered) * 0.95) - 1], 1),
        "max": round(ordered[-1], 1),
    }


@contextmanager
def page_of(browser: Browser, url: str, token: str, script: str) -> Iterator[Page]:
    """Yield a page of a browser profile without caches, signed in, that runs ``script`` first of all."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        signed = context.request.post(f"{url}/api/nixos/login", data={"token": token}, headers={"Origin": url})
        if not signed.ok:
            raise RuntimeError(signed.text())
        context.add_init_script(script)
        yield context.new_page()
    finally:
        context.close()


def services(data: Path) -> AbstractAsyncContextManager[Services]:
    """Open the control plane over engines that are values, with the periods that it has in use."""
    return fake_services(data, timing=Timing())


def make_workspaces(url: str, token: str) -> None:
    """Ask for a thousand workspaces and wait until all of them run."""
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        for number in range(WORKSPACES):
            wanted = {
                "name": f"{('web', 'api', 'data', 'train')[number % 4]}-{number:04}",
                "cpu": 0.25,
                "memory": 0.25,
                "storage": 0.25,
                "template": TEMPLATES[number % 4],
                "packages": ["git"],
            }
            http.post("/api/nixos/workspaces/create", json=wanted).raise_for_status()

        def all_run() -> bool:
            cursor: str | None = ""
            while cursor is not None:
                query = {"limit": "200", "status": "running"} | ({"cursor": cursor} if cursor else {})
                answer = http.get("/api/nixos/workspaces", params=query).json()
                all_run.count += len(answer["workspaces"])  # type: ignore[attr-defined]
                cursor = answer.get("next_cursor")
            count, all_run.count = all_run.count, 0  # type: ignore[attr-defined]
            return bool(count == WORKSPACES)

        all_run.count = 0  # type: ignore[attr-defined]
        until("all of them run", all_run, 300, 1)


@asynccontextmanager
async def many_services(data: Path) -> AsyncIterator[Services]:
    """Open the control plane over ten thousand stopped workspaces and a node that has their machines."""
    world = World()
    settings = Settings(data=data)
    async with open_services(settings, backends=outside(FakeRuntime(world), FakeEnvironments(world))):
        pass
    fill(data / DATABASE, COUNT)
    node = multiprocessing.get_context("spawn").Process(target=serve_node, args=(str(data / "node"), COUNT))
    node.start()
    try:
        runtime: Any = LocalRuntime(data / "node")
        backends = outside(runtime, FakeEnvironments(world))
        async with open_services(settings, backends=backends, timing=Timing()) as opened:
            yield opened
    finally:
        node.terminate()
        node.join()


def measure_list(page: Page, url: str, count: int) -> Figures:
    """Type into the filter and scroll, both at a person's pace."""
    page.goto(f"{url}/workspaces")
    page.get_by_role("status").get_by_text(re.compile(f"^{count:,} ·")).wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    filter_box = page.get_by_role("searchbox", name="Filter workspaces")
    filter_box.click()
    for word in ("train", "web-0", "data-07", "status:run", "a", "zzz"):
        for key in word:
            page.keyboard.press(key)
            page.wait_for_timeout(70)
        for _ in word:
            page.keyboard.press("Backspace")
            page.wait_for_timeout(70)
    page.locator(".workspace-table").hover()
    for turn in range(120):
        page.mouse.wheel(0, 500 if turn % 40 < 30 else -900)
        page.wait_for_timeout(40)
    page.wait_for_timeout(300)
    found = page.evaluate("window.interactions")
    return {kind: spread([one["ms"] for one in found if one["kind"] == kind]) for kind in ("type", "scroll")}


def measure_first(browser: Browser, url: str, token: str, rounds: int) -> Figures:
    """Open the list in a browser that has never been here."""
    rows, ready = [], []
    for _ in range(rounds):
        with page_of(browser, url, token, FIRST) as page:
            page.goto(f"{url}/workspaces", wait_until="commit")
            page.locator(".table-row .workspace-item-name").first.wait_for()
            until("it is interactive", lambda page=page: page.evaluate("window.interactive"), 10)  # type: ignore[misc]
            rows.append(page.evaluate("window.firstRow"))
            ready.append(page.evaluate("window.interactive"))
    return {"first_row": spread(rows), "interactive": spread(ready)}


def lines() -> bytes:
    """Return the output: numbered lines, each of its own."""
    made = (
        f"{number:09} ".encode() + bytes(33 + (number + at) % 90 for at in range(LINE - 11)) + b"\n"
        for number in range(SIZE // LINE)
    )
    return b"".join(made)


def print_it(page: Page, file: str, skip: int, expected: str) -> Figures:
    """Let the shell in the page print the file, and check what came."""
    page.keyboard.type("clear\n")
    page.wait_for_timeout(500)
    page.evaluate("window.tap.frames.length = 0; window.tap.acknowledged = 0")
    page.keyboard.type(f"echo BEGIN; cat {file}; echo DO''NE")
    page.wait_for_timeout(300)
    shown = page.evaluate_handle(f"window.printed = ({PRINTED})('DONE')" + "; 0")
    shown.dispose()
    page.keyboard.press("Enter")
    figures: Figures = page.evaluate("window.printed")
    if figures["ms"] > PATIENCE_MS:
        raise RuntimeError("the line after the output was never shown")
    page.wait_for_timeout(500)
    received = page.evaluate(RECEIVED, skip)
    if (received["bytes"], received["sha256"]) != (SIZE + SIZE // LINE, expected):
        raise RuntimeError(f"not the same bytes: {received}")
    if skip > 1 and received["acknowledged"] < received["frames"]:
        raise RuntimeError(f"not everything was shown: {received}")
    return figures


def ours(browser: Browser, service: Service, workspace_id: str, expected: str) -> Figures:
    """Measure one round of our own terminal."""
    with terminal_page(browser, service, workspace_id) as page:
        return print_it(page, "output", 8, expected)


@contextmanager
def terminal_page(browser: Browser, service: Service, workspace_id: str) -> Iterator[Page]:
    """Yield a page at a workspace's terminal, whose shell waits for keys."""
    with page_of(browser, service.url, service.token, TAP) as page:
        page.goto(f"{service.url}/workspaces/{workspace_id}/terminal")
        page.locator(".xterm-rows").get_by_text("$").first.wait_for()
        page.locator(".xterm-screen").click()
        yield page


@contextmanager
def printing(content: bytes) -> Iterator[tuple[Service, str]]:
    """Yield a service and the id of a workspace of its own that has ``content`` as the file ``output``."""
    with running_service() as service:
        made = service.create("printing", cpu=2, memory=1, storage=0.5)
        place = f"{service.url}/api/nixos/workspaces/{made['id']}/files/home/nixos/output"
        service.http.put(place, content=content).raise_for_status()
        yield service, made["id"]


def measure_stop(browser: Browser, service: Service, workspace_id: str, rounds: int) -> Figures:
    """Stop a flood in its midst."""
    found: list[Figures] = []
    for _ in range(rounds):
        with terminal_page(browser, service, workspace_id) as page:
            page.keyboard.type("for turn in 1 2 3 4 5 6; do cat output; done")
            page.evaluate_handle(f"window.stopped = ({STOPPED})(); 0").dispose()
            page.keyboard.press("Enter")
            page.wait_for_timeout(1000)
            page.keyboard.press("Control+c")
            figures = page.evaluate("window.stopped")
            if figures is None:
                raise RuntimeError("the prompt was never shown")
            found.append(figures)
    return {
        "ctrl_c": spread([one["ms"] for one in found]),
        "worst_frame": spread([one["worstFrame"] for one in found]),
    }


def measure_files(browser: Browser, service: Service, workspace_id: str, rounds: int) -> Figures:
    """Look into a large directory."""
    service.ssh({"id": workspace_id}, f"mkdir -p many; cd many; seq -f 'file-%05g.txt' {NAMES_COUNT} | xargs touch")
    found: list[Figures] = []
    address = f"/workspaces/{workspace_id}/files?path=%2F"
    for _ in range(rounds):
        with page_of(browser, service.url, service.token, "") as page:
            page.goto(f"{service.url}{address}")
            page.get_by_role("link", name="nix", exact=True).wait_for()
            page.wait_for_timeout(1000)
            found.append(page.evaluate(NAMES, [f"{address}home%2Fnixos%2Fmany", NAMES_COUNT + 1]))
    return {"names": NAMES_COUNT} | {key: spread([one[key] for one in found]) for key in ("first", "all")}


def held(page: Page) -> Figures:
    """Return what the page holds once what is garbage is gone."""
    session = page.context.new_cdp_session(page)
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(200)
    session.send("Performance.enable")
    told = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return {
        "heap_kib": round(told["JSHeapUsedSize"] / 1024),
        "nodes": round(told["Nodes"]),
        "listeners": round(told["JSEventListeners"]),
    }


def measure_switches(browser: Browser, service: Service, workspace_id: str) -> Figures:
    """Go from tab to tab many times."""
    with terminal_page(browser, service, workspace_id) as page:
        page.get_by_role("button", name="New terminal").click()
        tabs = page.locator(".terminal-tab-name")
        tabs.nth(1).wait_for()
        parts = page.locator(".detail-tabs").get_by_role("link")

        def turn_terminals(count: int) -> None:
            for number in range(count):
                tabs.nth(number % 2).click()
                page.locator(".split-pane:not([hidden]) .xterm-rows").get_by_text("$").first.wait_for()

        def turn_parts(count: int) -> None:
            for _ in range(count // 2):
                parts.filter(has_text="Overview").click()
                page.locator(".xterm-rows").first.wait_for(state="detached")
                parts.filter(has_text="Terminal").click()
                page.locator(".split-pane:not([hidden]) .xterm-rows").get_by_text("$").first.wait_for()

        figures: Figures = {"switches": SWITCHES}
        for kind, turn in (("terminals", turn_terminals), ("parts", turn_parts)):
            turn(FIRST_SWITCHES)
            before = held(page)
            turn(SWITCHES)
            figures[kind] = {"before": before, "after": held(page)}
        return figures


@contextmanager
def ttyd(*options: str) -> Iterator[str]:
    """Yield the address of a ttyd whose pages run a shell."""
    port = free_port()
    shell = ["env", "PS1=$ ", "bash", "--norc"]
    command = [str(TTYD), "-W", "-i", "127.0.0.1", "-p", str(port), *options, *shell]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        until("ttyd answers", lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    """Tell whether something serves pages there."""
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def theirs(browser: Browser, url: str, file: Path, expected: str) -> Figures:
    """Measure one round of ttyd's page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        context.add_init_script(TAP)
        page = context.new_page()
        page.goto(url)
        until("its shell is there", lambda: page.evaluate(PROMPT), 20)
        page.evaluate("window.term.focus()")
        return print_it(page, str(file), 1, expected)
    finally:
        context.close()


def measure_output(browser: Browser, service: Service, workspace_id: str, content: bytes, rounds: int) -> Figures:
    """Print the same file in a workspace and in ttyd, in turns."""
    fetch()
    expected = hashlib.sha256(content.replace(b"\n", b"\r\n")).hexdigest()
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "output"
        file.write_bytes(content)
        with ttyd("-t", "rendererType=dom") as url:
            runs: dict[str, Callable[[], Figures]] = {
                "ours": lambda: ours(browser, service, workspace_id, expected),
                "ttyd": lambda: theirs(browser, url, file, expected),
            }
            found: dict[str, list[Figures]] = {name: [] for name in runs}
            for _ in range(rounds):
                for name, run in runs.items():
                    found[name].append(run())
    return {
        "bytes": len(content),
        "until_shown": {name: spread([one["ms"] for one in all_of]) for name, all_of in found.items()},
        "worst_frame": {name: spread([one["worstFrame"] for one in all_of]) for name, all_of in found.items()},
    }


def measure_workspace(browser: Browser, parts: set[str], rounds: int) -> Figures:
    """Measure the chosen parts that need a workspace which is one."""
    content = lines()
    results: Figures = {}
    with printing(content) as (service, workspace_id):
        if "output" in parts:
            results["output"] = measure_output(browser, service, workspace_id, content, rounds)
        if "stop" in parts:
            results["stop"] = measure_stop(browser, service, workspace_id, rounds)
        if "files" in parts:
            results["files"] = measure_files(browser, service, workspace_id, rounds)
        if "switches" in parts:
            results["switches"] = measure_switches(browser, service, workspace_id)
    return results


PARTS = ("list", "first", "many", "output", "stop", "files", "switches")


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    target = RESULTS / "ui.json"
    results: Figures = json.loads(target.read_text()) if target.exists() else {}
    with chromium() as browser:
        results["machine"] = machine(browser)
        if {"list", "first"} & set(options.only):
            with tempfile.TemporaryDirectory() as directory, running_web(Path(directory), services) as web:
                make_workspaces(web.url, web.token)
                time.sleep(2)
                if "list" in options.only:
                    with page_of(browser, web.url, web.token, INTERACTIONS) as page:
                        results["list"] = measure_list(page, web.url, WORKSPACES)
                        print(results["list"], flush=True)
                if "first" in options.only:
                    results["first"] = measure_first(browser, web.url, web.token, options.rounds * 2)
        if "many" in options.only:
            with tempfile.TemporaryDirectory() as directory, running_web(Path(directory), many_services) as web:
                with page_of(browser, web.url, web.token, INTERACTIONS) as page:
                    results["many"] = measure_list(page, web.url, COUNT)
                results["many"] |= measure_first(browser, web.url, web.token, options.rounds)
        if {"output", "stop", "files", "switches"} & set(options.only):
            results |= measure_workspace(browser, set(options.only), options.rounds)
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
