"""Settings of the page."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from tomobeam_common.settings import PrefectSettings, ServiceSettings, TiledSettings


class StateSettings(ServiceSettings):
    """What the command line needs: where the users are and how the page is reached."""

    webapp_state: Path = Field(description="folder of the page's database and cache of views")
    webapp_port: int = Field(8050, gt=0, lt=65536, description="port on loopback")
    webapp_url: str | None = Field(
        None,
        description="address by which browsers reach the page; https: cookies are Secure and one "
        "front door is trusted for the client's address; absent: http://127.0.0.1:<port>",
    )
    webapp_link_minutes: float = Field(15.0, gt=0, description="a one-time link lasts so long")

    @field_validator("webapp_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
            raise ValueError("not an address of the form http(s)://host[:port]")
        return url.rstrip("/")

    @property
    def url(self) -> str:
        """The page's address, without a final slash."""
        return self.webapp_url or f"http://127.0.0.1:{self.webapp_port}"

    @property
    def behind_tls(self) -> bool:
        """Whether browsers reach the page over TLS."""
        return self.url.startswith("https://")

    @property
    def database(self) -> Path:
        """The page's SQLite file."""
        return self.webapp_state / "webapp.db"

    @property
    def view_cache(self) -> Path:
        """Folder of prepared views of slices."""
        return self.webapp_state / "views"


class WebSettings(StateSettings, TiledSettings, PrefectSettings):
    """What the page needs to know; each comes from `TOMOBEAM_<NAME>`."""

    registry: Path = Field(description="JSON file of the site's algorithms")
    webapp_secret_key: SecretStr = Field(min_length=16, description="signs the sessions")
    webapp_session_hours: float = Field(12.0, gt=0, description="a login lasts so long unused")
    webapp_cache_gb: float = Field(8.0, gt=0, description="most that the cache of views holds")
    webapp_resync_seconds: float = Field(
        30.0, gt=0, description="the whole list is compared with Tiled so often"
    )
    webapp_poll_seconds: float = Field(
        1.5, gt=0, description="the jobs are read from Prefect so often while somebody looks"
    )
