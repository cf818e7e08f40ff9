"""What `tomobeam-tiled` needs to know."""

from __future__ import annotations

from pydantic import Field, SecretStr

from tomobeam_common.settings import ServiceSettings


class DatabaseFault(RuntimeError):
    """A database cannot be used; the message names its setting and says why."""


class DatabaseSettings(ServiceSettings):
    """Tiled's databases: two, since each keeps a revision of its own in a table of one name.

    PostgreSQL's password comes from PGPASSFILE, never from a URI, and its CA from PGSSLROOTCERT.
    """

    tiled_authn_uri: str = Field(description="principals and keys")
    tiled_catalog_uri: str = Field(description="the tree")


class KeySettings(DatabaseSettings):
    """One key for each partner, generated with the other secrets: hexadecimal, 72 digits."""

    tiled_key_ingester: SecretStr
    tiled_key_webapp: SecretStr
    tiled_key_job: SecretStr
    tiled_key_client: SecretStr
    tiled_key_monitoring: SecretStr
