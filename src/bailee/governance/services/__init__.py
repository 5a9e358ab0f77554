"""Services beside the API: what they are called, and which projects belong to them."""
