"""Drafts of policy versions: written, approved by others, published, and then known everywhere."""
