// The official client with nothing but the environment, and what was answered to it: each journey
// ends by printing, as one JSON document, the method and path of every request that succeeded.
import assert from "node:assert/strict";
import OpenAI from "openai";

const WAIT_MS = 400_000;
const POLL_MS = 100;
const answered = new Set();

const recording = async (url, options) => {
  const response = await fetch(url, options);
  const { protocol, pathname } = new URL(url); // the client asks itself for a `data:` URL too
  const method = (options?.method ?? "GET").toUpperCase();
  if (response.ok && protocol === "https:") answered.add(`${method} ${pathname}`);
  return response;
};

export const client = new OpenAI({ maxRetries: 0, fetch: recording });

export const tell = () => console.log(JSON.stringify([...answered].sort()));

export const collected = async (pages) => {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
};

export const until = async (look, what) => {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert(performance.now() < deadline, `${what}: not within ${WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

export const refused = (call, kind) => assert.rejects(call, (error) => error instanceof kind);
export const gone = (call) => refused(call, OpenAI.NotFoundError);
