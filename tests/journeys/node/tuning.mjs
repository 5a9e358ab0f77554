// Fine-tuning: a job is trained, its model answers and is destroyed; another is cancelled before it
// begins, a third, which waits, is resumed and paused.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { client, collected, gone, tell, until } from "./calling.mjs";

const [real, training, paused] = process.argv.slice(2);
const { jobs } = client.fineTuning;

const file = await client.files.create({ file: createReadStream(training), purpose: "fine-tune" });
const wanted = {
  model: real,
  training_file: file.id,
  seed: 7,
  suffix: "node",
  method: {
    type: "supervised",
    supervised: { hyperparameters: { n_epochs: 2, batch_size: 5 } },
  },
};
const at = (id, ...statuses) =>
  until(async () => {
    const found = await jobs.retrieve(id);
    assert(found.status !== "failed", found.error?.message);
    return statuses.includes(found.status) ? found : null;
  }, `the job is ${statuses}`);

const job = await jobs.create(wanted);
assert.deepEqual([job.object, job.status, job.model], ["fine_tuning.job", "validating_files", real]);
const other = await jobs.create(wanted);
assert.equal((await jobs.cancel(other.id)).status, "cancelled");

// While one trains, another only waits, whatever becomes of it.
await at(job.id, "running");
assert.equal((await jobs.retrieve(paused)).status, "paused");
assert.equal((await jobs.resume(paused)).status, "queued");
assert.equal((await jobs.pause(paused)).status, "paused");

const done = await at(job.id, "succeeded");
assert(done.trained_tokens > 0);
const model = done.fine_tuned_model;
assert(model.startsWith(`ft:${real}:`) && model.includes(":node:"));

const begun = (await collected(jobs.list({ limit: 1 }))).map((one) => [one.id, one.status]);
assert.deepEqual(begun.slice(0, 2), [
  [other.id, "cancelled"],
  [job.id, "succeeded"],
]);
const events = await collected(jobs.listEvents(job.id));
const steps = events.filter((event) => event.type === "metrics").map((event) => event.data.step);
assert.deepEqual(steps, [4, 3, 2, 1], "each step is told once, newest first");
const notes = await collected(jobs.checkpoints.list(job.id));
assert.deepEqual(notes.map((note) => note.step_number), [4, 2]);

const ask = () =>
  client.chat.completions.create({
    model,
    messages: [{ role: "user", content: "Say hi" }],
    max_tokens: 4,
  });
assert((await ask()).choices[0].message.content);
assert((await collected(client.models.list())).some((one) => one.id === model));
assert.deepEqual(await client.models.delete(model), { id: model, object: "model", deleted: true });
await gone(ask());
await gone(client.models.retrieve(model));

tell();
