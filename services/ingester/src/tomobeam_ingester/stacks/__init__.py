"""The forms in which a reconstruction lies in the file store."""
