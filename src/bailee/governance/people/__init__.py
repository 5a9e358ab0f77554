"""People of an organisation: who they are, what they may do, and who was invited."""
