"""LlamaIndex: whole, streamed, with a tool, embeddings. Prints one JSON document."""

import json
import os
import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike

model = OpenAILike(
    model=sys.argv[1],
    api_base=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ["OPENAI_API_KEY"],
    is_chat_model=True,
    is_function_calling_model=True,
    max_retries=0,
)

embedder = OpenAIEmbedding(
    model_name=sys.argv[1],
    api_base=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ["OPENAI_API_KEY"],
    max_retries=0,
)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"fog in {city}"


hi = [ChatMessage(role="user", content="Say hi")]
asked = [ChatMessage(role="user", content="What is the weather in Busan?")]
tool = FunctionTool.from_defaults(fn=weather)
wish = model.chat_with_tools([tool], chat_history=asked)
call = model.get_tool_calls_from_response(wish)[0]
result = ChatMessage(
    role="tool",
    content=weather(**call.tool_kwargs),
    additional_kwargs={"tool_call_id": call.tool_id},
)
print(
    json.dumps(
        {
            "whole": model.chat(hi).message.content,
            "streamed": "".join(part.delta or "" for part in model.stream_chat(hi)),
            "tool": model.chat_with_tools(
                [tool], chat_history=[*asked, wish.message, result]
            ).message.content,
            "vectors": embedder.get_text_embedding_batch(["one", "two"]),
        }
    )
)
