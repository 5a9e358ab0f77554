"""The transparency log's formats and proofs, pure: how can an outsider check?

Trees, checkpoints, tiles, entries and receipts, as bytes in and bytes out. No I/O: whoever stores
and serves them is in `lifecycle` and `api`.
"""
