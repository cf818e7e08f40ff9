"""Login, sessions, and the one gate in front of everything that the page serves."""
