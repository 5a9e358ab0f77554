"""How Bailee is operated. The only place that prints."""
