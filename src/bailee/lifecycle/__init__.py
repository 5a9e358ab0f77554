"""When and how data dies, and what is recorded of it."""
