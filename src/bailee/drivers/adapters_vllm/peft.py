"""An adapter as vLLM reads it: the two files of a folder that peft would write.

llama.cpp wants the rows of the query and key projections in another order than everybody else;
here they go back (see `drivers.trainer_local.adapter`).
"""

import json
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bailee.drivers.adapters_vllm.gguf import read_adapter
from bailee.kernel.errors import InvalidInput

_NAME: Final = re.compile(r"blk\.(\d+)\.(attn_[a-z]+)\.weight\.lora_([ab])")
_PROJECTIONS: Final = {
    "attn_q": "q_proj",
    "attn_k": "k_proj",
    "attn_v": "v_proj",
    "attn_output": "o_proj",
}
_HEADS: Final = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
_DTYPES: Final = {"float32": "F32", "float16": "F16"}


def peft_files(adapter: bytes) -> dict[str, bytes]:
    """The files by their names. Raises InvalidInput for what is no adapter of a llama model."""
    values, tensors = read_adapter(adapter)
    named: dict[str, NDArray[Any]] = {}
    ranks: set[int] = set()
    modules: set[str] = set()
    for name, tensor in tensors.items():
        parts = _NAME.fullmatch(name)
        if parts is None or parts[2] not in _PROJECTIONS or tensor.ndim != 2:
            raise InvalidInput("this adapter changes what only other models have; train it again")
        module = _PROJECTIONS[parts[2]]
        turned = parts[3] == "b" and parts[2] in _HEADS
        rows = _in_order(tensor, values.get(_HEADS[parts[2]])) if turned else tensor
        ranks.add(rows.shape[0 if parts[3] == "a" else 1])
        modules.add(module)
        place = f"base_model.model.model.layers.{parts[1]}.self_attn.{module}"
        named[f"{place}.lora_{parts[3].upper()}.weight"] = rows
    if len(ranks) != 1 or "adapter.lora.alpha" not in values:
        raise InvalidInput("this adapter does not say how it is put on a model; train it again")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "",
        "inference_mode": True,
        "r": ranks.pop(),
        "lora_alpha": values["adapter.lora.alpha"],
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(modules),
    }
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": _safetensors(named),
    }


def _in_order(rows: NDArray[Any], heads: object) -> NDArray[Any]:
    if not isinstance(heads, int) or heads < 1 or rows.shape[0] % (2 * heads):
        raise InvalidInput("this adapter does not say how many heads there are; train it again")
    shape = (heads, rows.shape[0] // heads // 2, 2, rows.shape[1])
    return rows.reshape(shape).swapaxes(1, 2).reshape(rows.shape)


def _safetensors(tensors: dict[str, NDArray[Any]]) -> bytes:
    """Length, JSON with every tensor's place, then the bytes."""
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    at = 0
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name]).tobytes()
        head[name] = {
            "dtype": _DTYPES[tensors[name].dtype.name],
            "shape": list(tensors[name].shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    encoded = json.dumps(head).encode()
    encoded += b" " * (-len(encoded) % 8)
    return b"".join([len(encoded).to_bytes(8, "little"), encoded, *parts])
