"""A LoRA adapter as the bytes of a GGUF file, the way llama.cpp reads it.

Layout: `convert_lora_to_gguf.py` of llama.cpp. Rows of the query and key projections are permuted,
because llama.cpp pairs rotary dimensions (0,1), (2,3), … where transformers pairs (0,n/2), ….
The file is put together in memory alone.
"""

import io
from collections.abc import Mapping
from typing import Final

import gguf
import torch
from gguf.gguf_writer import WriterState

GGUF_NAMES: Final = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
}
"""The projections that are adapted, with llama.cpp's names for them."""
_ARCHITECTURE: Final = "llama"


def adapter_bytes(
    weights: Mapping[str, torch.Tensor],
    alpha: float,
    heads: Mapping[str, int],
) -> bytes:
    """`weights`: `{layer}.{projection}.{A or B}` with its tensor; `heads`: of q_proj and k_proj."""
    writer = gguf.GGUFWriter(None, _ARCHITECTURE)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    # llama.cpp has them from the model; whoever puts the rows back in order has the adapter alone.
    writer.add_head_count(heads["q_proj"])
    writer.add_head_count_kv(heads["k_proj"])
    for name, tensor in weights.items():
        layer, projection, matrix = name.split(".")
        rotated = matrix == "B" and projection in heads
        values = permuted(tensor, heads[projection]) if rotated else tensor
        suffix = "lora_a" if matrix == "A" else "lora_b"
        writer.add_tensor(
            f"blk.{layer}.{GGUF_NAMES[projection]}.weight.{suffix}",
            values.detach().to(torch.float32).contiguous().numpy(),
        )
    return _written(writer)


def permuted(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows of a projection in llama.cpp's order."""
    shape = (heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return rows.reshape(shape).swapaxes(1, 2).reshape(rows.shape)


def _written(writer: gguf.GGUFWriter) -> bytes:
    # The writer itself opens a path, and numpy's `tofile` wants a real file: neither is wanted.
    buffer = io.BytesIO()
    writer.fout = [buffer]
    writer.state = WriterState.EMPTY
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.write_padding(buffer, buffer.tell())
    for tensors in writer.tensors:
        for info in tensors.values():
            buffer.write(info.tensor.tobytes())
            writer.write_padding(buffer, info.nbytes)
    return buffer.getvalue()
