"""What happens to a prompt."""
