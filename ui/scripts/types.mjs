// Writes src/api/schema.d.ts from the OpenAPI document, or with --check tells whether it has drifted and what redocly
// finds wrong with the document.
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapi, { astToString } from "openapi-typescript";
import { openapiDocument } from "./openapi.mjs";

const target = fileURLToPath(new URL("../src/api/schema.d.ts", import.meta.url));
const document = openapiDocument();
const header = "// Made from /api/openapi.json by `npm run types`; not to be edited.\n\n";
const made = header + astToString(await openapi(withoutOperations(JSON.parse(document))));

/** The types alone: the UI names no operation, and those would be three quarters of the file. */
function withoutOperations(whole) {
  return { ...whole, paths: {} };
}

if (!process.argv.includes("--check")) {
  writeFileSync(target, made);
  process.exit(0);
}
if (!existsSync(target) || readFileSync(target, "utf8") !== made) {
  console.error("src/api/schema.d.ts is not what the API says now: run `npm run types`.");
  process.exitCode = 1;
}
const config = await createConfig({ extends: ["recommended"] });
for (const found of await lintFromString({ source: document, absoluteRef: "openapi.json", config })) {
  console.error(`openapi.json: ${found.ruleId}: ${found.message} (${found.location[0]?.pointer})`);
  process.exitCode = 1;
}
