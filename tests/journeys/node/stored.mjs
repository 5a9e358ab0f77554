// What is kept for its owner until it is deleted: stored chat completions, Responses, conversations.
import assert from "node:assert/strict";
import { client, collected, gone, tell, until } from "./calling.mjs";

const [real, mirror] = process.argv.slice(2);
const still = { model: real, temperature: 0, seed: 7 };

// Chat completions.
const messages = [{ role: "user", content: "Say hi" }];
const chat = await client.chat.completions.create({
  ...still,
  messages,
  max_tokens: 4,
  store: true,
  metadata: { of: "node" },
});
const { completions } = client.chat;
assert.deepEqual((await completions.retrieve(chat.id)).choices[0].message, chat.choices[0].message);
const listed = await collected(completions.list({ metadata: { of: "node" } }));
assert.deepEqual(listed.map((one) => one.id), [chat.id]);
assert.deepEqual((await completions.update(chat.id, { metadata: { of: "n" } })).metadata, { of: "n" });
const [kept] = await collected(completions.messages.list(chat.id));
assert.deepEqual([kept.role, kept.content], ["user", "Say hi"]);
assert((await completions.delete(chat.id)).deleted);
await gone(completions.retrieve(chat.id));

// Responses: whole, streamed, in a chain.
const { responses } = client;
const short = { ...still, max_output_tokens: 16 };
const first = await responses.create({ ...short, input: "Name a fruit." });
assert(first.output_text);
assert.deepEqual((await responses.retrieve(first.id)).output, first.output);
const events = await collected(
  await responses.create({ ...short, input: "Name a fruit.", stream: true }),
);
const deltas = events.filter((event) => event.type === "response.output_text.delta");
assert.equal(deltas.map((event) => event.delta).join(""), first.output_text);
assert.equal(events.at(-1).response.output[0].content[0].text, first.output_text);
const alone = await responses.create({ ...short, input: "Another." });
const next = await responses.create({ ...short, input: "Another.", previous_response_id: first.id });
assert.equal(next.previous_response_id, first.id);
assert(next.usage.input_tokens > alone.usage.input_tokens, "it was told what was said before");
const items = await collected(responses.inputItems.list(first.id));
assert.equal(items.at(-1).content[0].text, "Name a fruit.");
await responses.delete(first.id);
await gone(responses.retrieve(first.id));

// Responses in the background: one ends by itself, one is cancelled.
const queued = await responses.create({ ...short, input: "Name a fruit.", background: true });
assert.equal(queued.status, "queued");
const over = await until(async () => {
  const found = await responses.retrieve(queued.id);
  return ["queued", "in_progress"].includes(found.status) ? null : found;
}, "the Response's end");
assert.equal(over.output_text, first.output_text);
const endless = await responses.create({ model: mirror, input: "[wait]", background: true });
assert.equal((await responses.cancel(endless.id)).status, "cancelled");
assert.equal((await responses.retrieve(endless.id)).status, "cancelled");

// Conversations.
const { conversations } = client;
const made = await conversations.create({ metadata: { topic: "fruit" } });
await conversations.items.create(made.id, {
  items: [{ type: "message", role: "user", content: "I like lemons." }],
});
const said = await responses.create({ ...short, input: "And?", conversation: made.id });
assert.equal(said.conversation.id, made.id);
assert(said.usage.input_tokens > (await responses.create({ ...short, input: "And?" })).usage.input_tokens);
const inside = await collected(conversations.items.list(made.id, { order: "asc" }));
assert.deepEqual(inside.map((item) => item.role), ["user", "user", "assistant"]);
assert.equal(inside[2].content[0].text, said.output_text);
const within = { conversation_id: made.id };
assert.deepEqual(await conversations.items.retrieve(inside[1].id, within), inside[1]);
await conversations.items.delete(inside[1].id, within);
await gone(conversations.items.retrieve(inside[1].id, within));
await conversations.update(made.id, { metadata: { topic: "more" } });
assert.deepEqual((await conversations.retrieve(made.id)).metadata, { topic: "more" });
assert((await conversations.delete(made.id)).deleted);
await gone(conversations.retrieve(made.id));
await gone(conversations.items.list(made.id));

tell();
