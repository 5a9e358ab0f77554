"""What was agreed, and who said so."""
