"""What a user did wrong, said in one sentence."""

from __future__ import annotations


class InputFault(ValueError):
    """The input cannot be used; the message names the file and the dataset or option."""
