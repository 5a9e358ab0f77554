// Files, uploads in parts, and batches.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { client, collected, gone, refused, tell, until } from "./calling.mjs";

const [real, mirror] = process.argv.slice(2);
const { batches, files, uploads } = client;

const line = (custom_id, model, content) => ({
  custom_id,
  method: "POST",
  url: "/v1/chat/completions",
  body: { model, messages: [{ role: "user", content }], max_tokens: 4, temperature: 0, seed: 7 },
});
const inLines = (lines) => lines.map((one) => `${JSON.stringify(one)}\n`).join("");
const uploaded = async (text) =>
  files.create({ file: await toFile(Buffer.from(text), "lines.jsonl"), purpose: "batch" });

// Files.
const text = inLines([line("one", real, "Say hi"), line("two", real, "Say no")]);
const file = await uploaded(text);
assert.deepEqual(
  [file.filename, file.bytes, file.purpose],
  ["lines.jsonl", Buffer.byteLength(text), "batch"],
);
assert.deepEqual(await files.retrieve(file.id), file);
assert((await collected(files.list({ purpose: "batch", limit: 1 }))).some((one) => one.id === file.id));
assert.equal(await (await files.content(file.id)).text(), text);

// A batch of it.
const window = { endpoint: "/v1/chat/completions", completion_window: "24h" };
const batch = await batches.create({ ...window, input_file_id: file.id, metadata: { of: "node" } });
const ended = (id) =>
  until(async () => {
    const found = await batches.retrieve(id);
    return ["completed", "failed", "expired", "cancelled"].includes(found.status) ? found : null;
  }, "the batch's end");
const done = await ended(batch.id);
assert.equal(done.status, "completed");
assert.deepEqual(done.request_counts, { total: 2, completed: 2, failed: 0 });
assert.deepEqual(done.metadata, { of: "node" });
const output = (await (await files.content(done.output_file_id)).text()).trim().split("\n");
const answers = new Map(output.map((one) => JSON.parse(one)).map((one) => [one.custom_id, one]));
assert.deepEqual([...answers.keys()].sort(), ["one", "two"]);
const alone = await client.chat.completions.create(line("one", real, "Say hi").body);
const together = answers.get("one").response.body.choices[0].message.content;
assert.equal(together, alone.choices[0].message.content);

// Another is cancelled while its lines wait.
const endless = await uploaded(inLines([line("one", mirror, "[wait]"), line("two", mirror, "[wait]")]));
const stopped = await batches.create({ ...window, input_file_id: endless.id });
await batches.cancel(stopped.id);
const cancelled = await ended(stopped.id);
assert.deepEqual([cancelled.status, cancelled.request_counts.completed], ["cancelled", 0]);
const begun = (await collected(batches.list({ limit: 1 }))).map((one) => one.id);
assert.deepEqual(begun.filter((id) => [batch.id, stopped.id].includes(id)), [stopped.id, batch.id]);

// What is deleted is gone.
for (const { id } of [file, endless, { id: done.output_file_id }]) {
  assert((await files.delete(id)).deleted);
  await gone(files.retrieve(id));
  await gone(files.content(id));
}

// Uploads: put together in the order asked for, or cancelled.
const halves = ["the first half, ", "the second half"];
const begin = () =>
  uploads.create({
    filename: "whole.txt",
    purpose: "user_data",
    mime_type: "text/plain",
    bytes: Buffer.byteLength(halves.join("")),
  });
const add = async (id, half) =>
  (await uploads.parts.create(id, { data: await toFile(Buffer.from(half), "part") })).id;
const upload = await begin();
assert.equal(upload.status, "pending");
const second = await add(upload.id, halves[1]);
const first = await add(upload.id, halves[0]);
const whole = await uploads.complete(upload.id, { part_ids: [first, second] });
assert.equal(whole.status, "completed");
assert.equal(await (await files.content(whole.file.id)).text(), halves.join(""));
assert((await files.delete(whole.file.id)).deleted);
const unwanted = await begin();
await add(unwanted.id, halves[0]);
assert.equal((await uploads.cancel(unwanted.id)).status, "cancelled");
await refused(add(unwanted.id, halves[1]), OpenAI.ConflictError);

tell();
