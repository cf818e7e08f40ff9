"""Wire 4: what the worker hands to an ML job, and what the job says back line by line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SecretStr, field_serializer

from tomobeam_contracts.wire import Wire

_PROGRESS = re.compile(r"^progress (?P<done>\d+)/(?P<total>\d+)(?: (?P<what>.*))?$")


class JobIoParameters(Wire):
    """Where a job reads and writes. Each key may do only what its wire needs."""

    data_tiled_uri: str
    data_tiled_api_key: SecretStr
    uid_save: str = Field(min_length=1, description="name of the result and of the model")
    models_dir: Path = Field(description="on the shared store: one host trains, another infers")
    mask_tiled_uri: str | None = None
    mask_tiled_api_key: SecretStr | None = None
    seg_tiled_uri: str | None = None
    seg_tiled_api_key: SecretStr | None = None
    uid_retrieve: str | None = None
    job_name: str | None = None

    @field_serializer(
        "data_tiled_api_key",
        "mask_tiled_api_key",
        "seg_tiled_api_key",
        when_used="json-unless-none",
    )
    def _reveal(self, key: SecretStr) -> str:
        # Only the file of mode 600 that the job reads is ever made from this form.
        return key.get_secret_value()


class JobFile(Wire):
    """`params.yaml`: the last argument of `<command> params.yaml`."""

    io_parameters: JobIoParameters
    model_parameters: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> JobFile:
        """Read the file.

        Raises:
            OSError: it cannot be read.
            yaml.YAMLError: it is not YAML.
            pydantic.ValidationError: a field is missing or wrong.
        """
        return cls.receive(yaml.safe_load(path.read_text(encoding="utf-8")))

    def to_yaml(self) -> str:
        """The file's text, keys in clear: write it with mode 600."""
        return yaml.safe_dump(self.to_wire(), sort_keys=False)


class Progress(Wire):
    """A line by which a job says how far it is: `progress 3/10 slices segmented`."""

    done: int = Field(ge=0)
    total: int = Field(gt=0)
    what: str = ""

    def __str__(self) -> str:
        return f"progress {self.done}/{self.total} {self.what}".rstrip()

    @classmethod
    def parse(cls, line: str) -> Progress | None:
        """The progress in a line of a job's output, or None for any other line."""
        match = _PROGRESS.match(line.strip())
        if not match or int(match["total"]) == 0:
            return None
        return cls(done=int(match["done"]), total=int(match["total"]), what=match["what"] or "")
