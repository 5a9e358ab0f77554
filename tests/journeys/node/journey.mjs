// The official Node SDK, with nothing but the environment. Prints what happened as one JSON document.
import OpenAI from "openai";

const [real, mirror] = process.argv.slice(2);
const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: "Say hi" }];
const asked = { model: real, messages, max_tokens: 4, seed: 7, temperature: 0 };

const failure = async (call) => {
  try {
    await call();
    return null;
  } catch (error) {
    const { name, status, code, param, requestID } = error;
    return { name: error.constructor.name ?? name, status, code, param, request: requestID };
  }
};

const models = [];
for await (const model of client.models.list()) models.push(model.id);

const { data: whole, response } = await client.chat.completions.create(asked).withResponse();

let text = "";
let usage = null;
const stream = await client.chat.completions.create({
  ...asked,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

const broken = await failure(async () => {
  const parts = await client.chat.completions.create({
    model: mirror,
    messages: [{ role: "user", content: "[break]" }],
    stream: true,
  });
  for await (const part of parts) void part;
});
const limited = await failure(() =>
  client.chat.completions.create({ model: mirror, messages: [{ role: "user", content: "[429]" }] }),
);
const unknown = await failure(() => client.chat.completions.create({ ...asked, model: "none" }));
const wrong = await failure(() => client.chat.completions.create({ ...asked, messages: "hi" }));
const stranger = await failure(() => new OpenAI({ apiKey: "nonsense" }).models.list());

console.log(
  JSON.stringify({
    models,
    whole: whole.choices[0].message.content,
    record: response.headers.get("bailee-record"),
    request: whole._request_id === response.headers.get("x-request-id"),
    text,
    completion_tokens: usage?.completion_tokens,
    failures: { broken, limited, unknown, wrong, stranger },
  }),
);
