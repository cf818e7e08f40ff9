"""Tiled's databases on a PostgreSQL of the tests' own, and its command beside them."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

import pytest
from tiled.alembic_utils import downgrade

from tests.support.platform import Platform
from tests.support.postgresql import Cluster
from tomobeam_tiled.cli import main
from tomobeam_tiled.databases import AUTHN, CATALOG

DATABASES = ("tiled_authn", "tiled_catalog")


@dataclass(frozen=True)
class Bench:
    """A cluster with empty databases, and the rest of a platform that does not run."""

    cluster: Cluster
    platform: Platform

    def environment(self, **changes: str) -> dict[str, str]:
        uris = {f"TOMOBEAM_{name.upper()}_URI": self.cluster.uri(name) for name in DATABASES}
        given = self.platform.environment("tiled") | self.cluster.environment() | uris
        return given | changes

    def command(self, *words: str, **changes: str) -> tuple[int, str, str]:
        """Run `tomobeam-tiled` in this process, which imports Tiled once: code, stdout, stderr."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment(**changes), clear=True),
            mock.patch.object(sys, "argv", ["tomobeam-tiled", *words]),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            main()
        return int(end.value.code or 0), out.getvalue(), err.getvalue()

    def schema(self, **changes: str) -> dict[str, dict[str, str | None]]:
        code, out, err = self.command("schema", **changes)
        assert (code, err) == (0, "")
        return json.loads(out)


def make_older(bench: Bench) -> dict[str, str]:
    """Take the schemas back one revision, by Tiled's own steps; which they then are."""
    older = {}
    with mock.patch.dict(os.environ, bench.environment(), clear=True):
        for database in (AUTHN, CATALOG):
            places = database.alembic.ALEMBIC_INI_TEMPLATE_PATH, database.alembic.ALEMBIC_DIR
            downgrade(*places, bench.cluster.uri(database.name), "-1")
            older[database.name] = database.known[1]
    return older
