"""LiteLLM as a client: whole, streamed, with a tool. Prints one JSON document."""

import json
import os
import sys

import litellm

MODEL = f"openai/{sys.argv[1]}"
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def ask(messages, **more):
    return litellm.completion(
        model=MODEL,
        messages=messages,
        api_base=os.environ["OPENAI_BASE_URL"],
        num_retries=0,
        **more,
    )


hi = [{"role": "user", "content": "Say hi"}]
asked = [{"role": "user", "content": "What is the weather in Busan?"}]
said = ask(asked, tools=[TOOL]).choices[0].message
call = said.tool_calls[0]
city = json.loads(call.function.arguments)["city"]
asked += [said, {"role": "tool", "tool_call_id": call.id, "content": f"fog in {city}"}]
print(
    json.dumps(
        {
            "whole": ask(hi).choices[0].message.content,
            "streamed": "".join(
                part.choices[0].delta.content or "" for part in ask(hi, stream=True)
            ),
            "tool": ask(asked, tools=[TOOL]).choices[0].message.content,
        }
    )
)
