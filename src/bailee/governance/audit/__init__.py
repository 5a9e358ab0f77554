"""The audit log of organisations: who changed what, when. It is appended to and never changed."""
