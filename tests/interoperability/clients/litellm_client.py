"""LiteLLM as a client: whole, streamed, with a tool, embeddings, a file. Prints one JSON."""

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


def file():
    """A file's content, after it was found by its name and before it was deleted."""
    given = {"custom_llm_provider": "openai", "api_base": os.environ["OPENAI_BASE_URL"]}
    made = litellm.create_file(file=("notes.txt", b"some notes"), purpose="user_data", **given)
    names = [one.id for one in litellm.file_list(**given)]
    found = litellm.file_retrieve(made.id, **given)
    content = litellm.file_content(made.id, **given).content.decode()
    gone = litellm.file_delete(made.id, **given)
    after = [one.id for one in litellm.file_list(**given)]
    assert (made.id in names, found.filename, gone.deleted) == (True, "notes.txt", True)
    assert made.id not in after
    return content


vectors = litellm.embedding(
    model=MODEL, input=["one", "two"], api_base=os.environ["OPENAI_BASE_URL"]
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
            "vectors": [vector["embedding"] for vector in vectors.data],
            "file": file(),
        }
    )
)
