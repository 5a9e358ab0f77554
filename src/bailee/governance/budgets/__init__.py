"""Budgets: thresholds of monthly spending, and whether they were reached."""
