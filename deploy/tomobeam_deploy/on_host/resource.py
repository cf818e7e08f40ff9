"""What all resources have in common on the host."""

from __future__ import annotations

from typing import Any


class Resource:
    """Something that the host has or has not; its attributes are the fields of the order."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def differences(self) -> list[str]:
        """How it differs from what is wanted, in sentences without their subject."""
        raise NotImplementedError

    def put_right(self) -> None:
        """Make it so, as something differs; an unfinished attempt of earlier does no harm."""
        raise NotImplementedError

    def remains(self) -> bool:
        """Whether anything is here that `take_away` takes away; what others may use never is."""
        return False

    def take_away(self) -> None:
        """Undo it, as something remains."""
        raise NotImplementedError
