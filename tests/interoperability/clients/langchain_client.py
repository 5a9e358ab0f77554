"""LangChain: whole, streamed, with a tool. Prints one JSON document."""

import json
import sys

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model=sys.argv[1], max_retries=0)


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
        }
    )
)
