// One journey in Firefox, over WebDriver BiDi: `node journey.mjs URL FILE`, the API token on standard input. It signs in,
// creates a workspace, uses two terminals over a reload, uploads FILE, edits it, stops and deletes. Says each step.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { launch } from "puppeteer-core";

const [url, file] = process.argv.slice(2);
const token = readFileSync(0, "utf8").trim();
const NAME = "in-firefox";
const LONG_MS = 180_000;
const SHORT_MS = 20_000;

const browser = await launch({
  browser: "firefox",
  executablePath: "/usr/bin/firefox-esr",
  headless: true,
  extraPrefsFirefox: { "app.normandy.enabled": false, "network.captive-portal-service.enabled": false },
});
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 900 });
page.setDefaultTimeout(SHORT_MS);
const wrong = [];
// Firefox counts a socket that ends with its page or its workspace among the page's errors.
const EXPECTED = /connection to .*(interrupted|server at ws)|establish a connection to the server at ws/;
page.on("pageerror", (error) => EXPECTED.test(String(error)) || wrong.push(String(error)));

const say = (step) => console.log(step);
const named = (role, name) => page.locator(`::-p-aria([role="${role}"][name="${name}"])`);
/** The input that a label of the open dialog names. */
const field = async (label) => {
  const id = await page.evaluate(
    (text) =>
      [...document.querySelectorAll("[role=dialog] label")].find((one) => one.innerText.trim() === text)
        ?.htmlFor,
    label,
  );
  return page.locator(`[id="${id}"]`);
};

/** Waits until `look`, called in the page, returns something true. */
const until = (look, argument, timeout = SHORT_MS) => page.waitForFunction(look, { timeout }, argument);
const terminalShows = (text) =>
  until(
    (wanted) =>
      [...document.querySelectorAll(".split-pane:not([hidden])")].some((one) =>
        one.innerText.includes(wanted),
      ),
    text,
  );

async function types(text) {
  await page.locator(".split-pane:not([hidden]) .xterm-screen").click();
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

try {
  await page.goto(`${url}/sign-in`);
  await page.locator("input").fill(token);
  await named("button", "Sign in").click();
  await until(() => location.pathname === "/workspaces");
  say("signed in");

  await page.goto(`${url}/workspaces?new=true`);
  await page.locator("[role=dialog] input").fill(NAME);
  await page.locator("[role=dialog] input[value=minimal]").click();
  for (const [label, value] of [
    ["CPU cores", "1"],
    ["Memory (GB)", "0.5"],
    ["Storage (GB)", "0.5"],
  ]) {
    await (await field(label)).fill(value);
  }
  await page.locator("[role=dialog] button[type=submit]").click();
  await until(() => document.querySelector(".detail-head .status-running") !== null, undefined, LONG_MS);
  say("created");

  await named("link", "Terminal").click();
  await terminalShows("$");
  await types("echo fir''st");
  await terminalShows("first");
  await named("button", "New terminal").click();
  await until(() => document.querySelectorAll(".terminal-tab").length === 2);
  await terminalShows("$");
  await types("echo sec''ond");
  await terminalShows("second");
  await page.reload();
  await until(() => document.querySelectorAll(".terminal-tab").length === 2);
  await terminalShows("second");
  say("two terminals over a reload");

  await named("link", "Files").click();
  const input = await page.waitForSelector("input[type=file]");
  await input.uploadFile(file);
  await named("link", basename(file)).click();
  const editor = page.locator(".cm-content");
  await editor.click();
  await page.keyboard.down("Control");
  await page.keyboard.press("End");
  await page.keyboard.up("Control");
  await page.keyboard.type("edited");
  await page.keyboard.down("Control");
  await page.keyboard.press("s");
  await page.keyboard.up("Control");
  await until((name) => document.body.innerText.includes(`${name} is saved.`), basename(file));
  const address = page.url();
  await page.goto(address);
  await until(() => (document.querySelector(".cm-content")?.innerText ?? "").includes("edited"));
  say("uploaded and edited");

  await named("button", "Stop").click();
  await until(() => document.querySelector(".detail-head .status-stopped") !== null, undefined, LONG_MS);
  say("stopped");

  await named("link", "Settings").click();
  await page.locator("#delete button").click();
  await page.locator("[role=dialog] input").fill(NAME);
  await page.locator("[role=dialog] .button-danger").click();
  await until(() => location.pathname === "/workspaces");
  await until((name) => !document.querySelector("main")?.innerText.includes(name), NAME, LONG_MS);
  say("deleted");
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
} catch (failure) {
  console.error(failure);
  console.error((await page.evaluate(() => document.body.innerText)).slice(0, 3000));
  process.exitCode = 1;
} finally {
  await browser.close();
}
