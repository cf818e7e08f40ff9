"""Tiled as this platform runs it: its databases, its keys and the top of its tree."""
