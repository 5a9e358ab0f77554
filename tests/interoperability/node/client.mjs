// The Vercel AI SDK: whole, streamed, with a tool, embeddings, a file. Prints one JSON document.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateText, isStepCount, streamText, tool, uploadFile } from "ai";
import { z } from "zod";

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const model = openai.chat(process.argv[2]);
const asked = { model, maxRetries: 0 };

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `fog in ${city}`,
});

const whole = await generateText({ ...asked, prompt: "Say hi" });

let streamed = "";
for await (const part of streamText({ ...asked, prompt: "Say hi" }).textStream) streamed += part;

const used = await generateText({
  ...asked,
  prompt: "What is the weather in Busan?",
  tools: { weather },
  stopWhen: isStepCount(3),
});

const { embeddings } = await embedMany({
  model: openai.embedding(process.argv[2]),
  values: ["one", "two"],
  maxRetries: 0,
});

const { providerReference: file } = await uploadFile({
  api: openai,
  data: new TextEncoder().encode("some notes"),
  filename: "notes.txt",
  mediaType: "text/plain",
  providerOptions: { openai: { purpose: "user_data" } },
});
const files = openai.files();
assert.equal((await files.getFileMetadata({ file })).filename, "notes.txt");
const { content } = await files.downloadFile({ file });
const notes = await new Response(content).text();
assert((await files.deleteFile({ file })).deleted);
await assert.rejects(files.downloadFile({ file }), (error) => error.statusCode === 404);

console.log(
  JSON.stringify({
    whole: whole.text,
    streamed,
    tool: used.text,
    vectors: embeddings,
    file: notes,
  }),
);
