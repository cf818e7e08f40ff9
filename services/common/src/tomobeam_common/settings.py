"""Settings of a service: environment variables `TOMOBEAM_…`, and files for secrets."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn, Self, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tomobeam_common.tls import trust
from tomobeam_contracts.destinations import (
    DEAD_LETTER_QUEUE,
    INGEST_QUEUE,
    SCAN_TOPIC,
)

PREFIX = "TOMOBEAM_"


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names its environment variable."""


class SecretFiles(PydanticBaseSettingsSource):
    """Reads every `SecretStr` field from the file that `TOMOBEAM_<FIELD>_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the field's file without the final newline, if one is named."""
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if path is None or not _is_secret(field):
            return None, field_name, False
        try:
            text = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable}: cannot read {path}: {error}") from error
        if not text:
            raise SettingsError(f"{variable}: {path} is empty")
        return text, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every secret that a file gives."""
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


class ServiceSettings(BaseSettings):
    """Base of every service's settings."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    log_format: str = Field(
        default="json", pattern="^(json|console)$", description="json or console"
    )
    listen_address: str = Field(default="127.0.0.1", description="on which it listens, if it does")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, variables over secret files."""
        return init_settings, env_settings, SecretFiles(settings_cls)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the settings.

        Raises:
            SettingsError: one is missing or wrong; names the variable, never a value.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            faults = []
            for fault in error.errors(include_url=False, include_input=False):
                name = str(fault["loc"][0]) if fault["loc"] else ""
                variable = f"{PREFIX}{name.upper()}" if name else cls.__name__
                field = cls.model_fields.get(name)
                if field is not None and _is_secret(field):
                    variable += f" (or {variable}_FILE)"
                faults.append(f"{variable}: {fault['msg']}")
            raise SettingsError("; ".join(faults)) from error


def fail(message: str, code: int = 2) -> NoReturn:
    """End the program with one sentence on stderr."""
    sys.stderr.write(f"{message}\n")
    raise SystemExit(code)


class BrokerSettings(ServiceSettings):
    """Where the STOMP broker is and who we are to it."""

    broker_host: str = "127.0.0.1"
    broker_port: int = Field(default=61613, gt=0, lt=65536)
    broker_user: str | None = Field(
        default=None, description="absent: anonymous, as older producers are"
    )
    broker_password: SecretStr | None = None
    broker_tls_ca: Path | None = Field(
        default=None,
        description="CA file; given: TLS with the broker's host name verified; absent: plain",
    )
    scan_topic: str = Field(default=SCAN_TOPIC, description="topic on which scans are announced")
    ingest_queue: str = Field(default=INGEST_QUEUE, description="durable queue fed from the topic")
    dead_letter_queue: str = DEAD_LETTER_QUEUE

    @field_validator("broker_tls_ca")
    @classmethod
    def _vouches_for_somebody(cls, ca: Path | None) -> Path | None:
        if ca is not None:
            trust(ca)
        return ca


class TiledSettings(ServiceSettings):
    """Where Tiled is and the key for it."""

    tiled_url: str = Field(description="as every client names it, without /api/v1")
    tiled_api_key: SecretStr


class PrefectSettings(ServiceSettings):
    """Where Prefect's API is; Prefect's own variables follow from these."""

    prefect_api_url: str = Field(description="with its path, which ends in /api")
    prefect_auth: SecretStr = Field(description="user:password, the server's one login")
