"""Schemas of databases, as the host of their service knows them."""

from __future__ import annotations

import json
from pathlib import Path

from tomobeam_deploy.on_host.files import beside, replace
from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault
from tomobeam_deploy.on_host.units import start


class Schema(Resource):
    """Databases whose schemas are those that a release works with; `stamp` remembers theirs."""

    release: str
    """its folder"""
    stamp: str
    unit: str
    """brings older schemas to those of the release that is current"""
    migrate: bool | None
    """whether they are older; only for putting right, once the databases were asked"""

    def differences(self) -> list[str]:
        """Which is of another revision, as far as is remembered."""
        try:
            wanted = self._wanted()
        except FileNotFoundError:
            return ["its release is not there yet"]
        try:
            known = json.loads(Path(self.stamp).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return ["is not known here yet"]
        return [
            f"{database} is of revision {known.get(database)}, its release wants {revision}"
            for database, revision in wanted.items()
            if known.get(database) != revision
        ]

    def put_right(self) -> None:
        """Migrate what is older, and remember."""
        if self.migrate is None:
            raise Fault("changed while it was looked at; try again")
        stamp = Path(self.stamp)
        if self.migrate:
            # What half a migration leaves is not known.
            stamp.unlink(missing_ok=True)
            start(self.unit)
        with beside(stamp) as new:
            new.write_text(json.dumps(self._wanted(), indent=1) + "\n", encoding="utf-8")
            replace(new, stamp)

    def _wanted(self) -> dict[str, str]:
        text = Path(self.release, "release.json").read_text(encoding="utf-8")
        # Of the revisions that it knows, the newest.
        return {database: known[0] for database, known in json.loads(text)["schema"].items()}
