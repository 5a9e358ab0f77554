// The Vercel AI SDK: whole, streamed, with a tool. Prints one JSON document.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, streamText, tool } from "ai";
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

console.log(JSON.stringify({ whole: whole.text, streamed, tool: used.text }));
