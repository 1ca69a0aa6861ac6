import { afterEach, expect, it, vi } from "vitest";
import { onAnswer, request } from "../src/api/client";
import { connection, isAnswered, noteAnswer } from "../src/shared/connection";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  connection.set("connecting");
  isAnswered.set(false);
});

it("is not answered by what was under way when the network went, nor once something is not answered", () => {
  connection.set("waiting");
  noteAnswer(true);
  expect(isAnswered.get()).toBe(true);
  noteAnswer(false);
  expect(isAnswered.get()).toBe(false);
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  noteAnswer(true);
  expect(isAnswered.get()).toBe(false);
});

it("is told of each request whether it was answered", async () => {
  const told: boolean[] = [];
  const forget = onAnswer((isThere) => told.push(isThere));
  vi.stubGlobal("fetch", () => Promise.resolve(new Response("{}")));
  await request("GET", "/there");
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("offline")));
  await expect(request("GET", "/away")).rejects.toThrow("does not answer");
  forget();
  expect(told).toEqual([true, false]);
});
