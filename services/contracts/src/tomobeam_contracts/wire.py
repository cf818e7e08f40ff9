"""The base of every message: strict about what we send, lenient about what we receive."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Wire(BaseModel):
    """A message or document that passes between two services.

    Constructing one refuses unknown fields, so that a misspelt name is never sent;
    `receive` ignores them, so that a newer or older partner is still understood.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=()
    )

    @classmethod
    def receive(cls, data: Any) -> Self:
        """Read what a partner sent; unknown fields are ignored.

        Raises:
            pydantic.ValidationError: a known field is missing or wrong.
        """
        return cls.model_validate(data, extra="ignore")

    @classmethod
    def receive_json(cls, text: str | bytes) -> Self:
        """Like `receive`, from JSON text."""
        return cls.model_validate_json(text, extra="ignore")

    def to_wire(self) -> dict[str, Any]:
        """The JSON-ready form, by the field names that the partner knows, without empty fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def explain(error: ValidationError, what: str) -> str:
    """Say in one sentence which fields of `what` are wrong, without showing their values."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'the document'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return f"{what}: {'; '.join(faults)}"
