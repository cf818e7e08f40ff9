"""The results of an image, laid over it."""
