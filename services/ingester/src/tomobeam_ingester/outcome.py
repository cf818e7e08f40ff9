"""Why a message or a stack is not registered, or not yet."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is put among the dead letters: the label of the metric, and of the header."""

    NOT_UTF8 = "not-utf8"
    NOT_JSON = "not-json"
    BAD_MESSAGE = "bad-message"
    TOO_LONG = "too-long"
    UNKNOWN_STATUS = "unknown-status"
    OUTSIDE_ROOTS = "outside-roots"
    NO_SUCH_PATH = "no-such-path"
    NO_STACK = "no-stack"
    AMBIGUOUS = "ambiguous"
    UNREADABLE = "unreadable"
    INCOMPLETE = "incomplete"
    TRUNCATED = "truncated"
    EMPTY_FILE = "empty-file"
    MIXED_SHAPES = "mixed-shapes"
    UNSUPPORTED = "unsupported"
    CHANGED_IN_PLACE = "changed-in-place"
    REFUSED_BY_TILED = "refused-by-tiled"
    UNEXPECTED = "unexpected"


class Refused(Exception):
    """It will never be registered as it is; `sentence` tells a person why."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence

    @property
    def header(self) -> str:
        """What the dead letter carries: the reason's name and the sentence, on one line."""
        return f"{self.reason}: {' '.join(self.sentence.split())}"[:500]


class NotYet(Exception):
    """It may still become complete; `fault` is what it will be refused with if it does not."""

    def __init__(self, fault: Refused) -> None:
        super().__init__(fault.sentence)
        self.fault = fault


class PartnerAway(Exception):
    """Something that we need cannot be used now; `part` names it. Nothing is given up for it."""

    def __init__(self, part: str, sentence: str) -> None:
        super().__init__(sentence)
        self.part = part


class StoreAway(PartnerAway):
    """The file store is not mounted or does not answer."""

    def __init__(self, sentence: str) -> None:
        super().__init__("store", sentence)


class DiskFull(PartnerAway):
    """No space is left: on our own disk, or where Tiled writes."""
