"""Journals: how sealed parts become durable under signed roots. Format: docs/formats/journal.md."""
