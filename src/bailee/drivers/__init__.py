"""How each port is kept with one technology. Drivers never import one another."""
