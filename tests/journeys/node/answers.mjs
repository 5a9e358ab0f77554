// What the local models answer: chat, text, vectors, judgements. A mirror stands in for a model that
// can use tools.
import assert from "node:assert/strict";
import { client, collected, gone, tell } from "./calling.mjs";

const [real, embedder, mirror] = process.argv.slice(2);
const messages = [{ role: "user", content: "What is the weather in Busan?" }];
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const still = { model: real, temperature: 0, seed: 7 };

// Models.
const names = (await collected(client.models.list())).map((model) => model.id);
assert(names.includes(real) && names.includes(embedder));
assert.equal((await client.models.retrieve(real)).owned_by, "bailee");
await gone(client.models.retrieve("none"));

// Chat: whole, streamed, with a tool whose result is told.
const asked = { ...still, messages, max_tokens: 6 };
const whole = await client.chat.completions.create(asked);
assert.equal(whole.usage.completion_tokens, 6);
const chunks = await collected(await client.chat.completions.create({ ...asked, stream: true }));
const streamed = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
assert.equal(streamed, whole.choices[0].message.content);
const wish = await client.chat.completions.create({ model: mirror, messages, tools });
const { message } = wish.choices[0];
const [call] = message.tool_calls;
assert.deepEqual(JSON.parse(call.function.arguments), { city: "Busan" });
const result = { role: "tool", tool_call_id: call.id, content: "fog" };
const told = await client.chat.completions.create({
  model: mirror,
  messages: [...messages, message, result],
});
assert.equal(told.choices[0].message.content, "you said fog");

// Text.
const text = { ...still, prompt: "1 2 3 4 5", max_tokens: 4 };
const completed = await client.completions.create(text);
assert.equal(completed.object, "text_completion");
const parts = await collected(await client.completions.create({ ...text, stream: true }));
assert.equal(parts.map((part) => part.choices[0].text).join(""), completed.choices[0].text);

// Vectors, as the SDK asks for them by default (base64) and as floats, and judgements.
const input = ["When does the train leave?", "기차는 언제 출발하나요?", "고양이가 우유를 마신다."];
const vectors = (await client.embeddings.create({ model: embedder, input })).data;
const nearness = (one, other) => one.embedding.reduce((sum, x, i) => sum + x * other.embedding[i], 0);
const [train, korean, cat] = vectors;
assert.equal(train.embedding.length, 384);
assert(nearness(train, korean) > nearness(train, cat));
const floats = await client.embeddings.create({
  model: embedder,
  input: input[0],
  encoding_format: "float",
  dimensions: 32,
});
assert.equal(floats.data[0].embedding.length, 32);
const { results } = await client.moderations.create({
  input: ["What a lovely morning.", "I will find you and break your legs."],
});
assert.deepEqual(results.map((result) => result.flagged), [false, true]);
assert(results[1].categories["harassment/threatening"]);

tell();
