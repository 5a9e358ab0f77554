"""LangChain: whole, streamed, with a tool, embeddings. Prints one JSON document."""

import json
import sys

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

model = ChatOpenAI(model=sys.argv[1], max_retries=0)
# With the check it would count tokens first, by a tokenizer that it fetches.
embedder = OpenAIEmbeddings(model=sys.argv[1], max_retries=0, check_embedding_ctx_length=False)


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"fog in {city}"


question = HumanMessage("What is the weather in Busan?")
bound = model.bind_tools([weather])
wish = bound.invoke([question])
result = weather.invoke(wish.tool_calls[0])
print(
    json.dumps(
        {
            "whole": model.invoke("Say hi").content,
            "streamed": "".join(str(part.content) for part in model.stream("Say hi")),
            "tool": bound.invoke([question, wish, result]).content,
            "vectors": embedder.embed_documents(["one", "two"]),
        }
    )
)
