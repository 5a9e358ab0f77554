"""What customers keep until they delete it: files, stored answers, conversations, batches.

Each thing is sealed under a secret of its own (docs/formats/object.md). What happens to it follows
from what its owner asks and from deadlines; nothing here decides about retention.
"""
