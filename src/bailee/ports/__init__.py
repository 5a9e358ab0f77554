"""What Bailee asks of the world: one protocol per file, whose docstring is the contract.

Every driver of a port passes the same suite in `tests/contracts`. A port names outcomes, never a
technology.
"""
