"""Answering the lines of batches: the same road as single calls, without anybody waiting."""
