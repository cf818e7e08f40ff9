"""Trains and runs pixel classifiers on sparse annotations."""
