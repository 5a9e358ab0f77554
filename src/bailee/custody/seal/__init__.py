"""Sealing: the gateway can write and not read."""
