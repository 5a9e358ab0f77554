"""Fine-tuning: what may be learned from a training file, and how a run is followed.

Running it is a port's business (`ports.trainer`); keeping jobs, files and adapters is not here yet.
"""
