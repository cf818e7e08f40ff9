"""Hears that a scan is ready and registers its stack in Tiled."""
