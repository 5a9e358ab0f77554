"""What was used: counts of calls and tokens, kept apart from content so that they outlive it."""
