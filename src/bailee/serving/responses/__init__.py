"""The Responses API: what its requests, answers and events look like, and how chat says the same.

Pure translation: no input or output, no clock, no randomness. The road is `serving.answer`'s.
"""
