"""Reconstructs projections into an image stack and says that it is ready."""
