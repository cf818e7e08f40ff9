"""The commands as an operator types them, on an inventory of two hosts."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.platform import REPOSITORY
from tomobeam_deploy import age_keys, pki, secrets_cli
from tomobeam_deploy.secrets_cli import main
from tomobeam_deploy.vault import Vault

INVENTORY = """
from pathlib import Path
from tomobeam_deploy.site import DataRoots, FileStore, Group, Host, Site

site = Site(
    name="i13",
    hosts={{
        "control": Host(
            address="10.1.0.1", groups=frozenset(Group) - {{Group.WEB}}, file_store=Path("/store")
        ),
        "web": Host(address="10.1.0.2", groups=frozenset({{Group.WEB}}), names={names}),
    }},
    store=FileStore(path=Path("/store")),
    data=DataRoots(
        filestore=Path("/store/recons"),
        models=Path("/store/models"),
        writable=Path("/var/lib/tomobeam/tiled/writable"),
        state=Path("/var/lib/tomobeam"),
    ),
    registry=Path("/registry.json"),
    controllers=("10.0.0.0/8",),
)
"""


class Operator:
    """Types commands, with an age key of his own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.inventory = folder / "inventories" / "beamline"
        self.key = folder / name / "i13.agekey"

    def command(self, verb: str, *arguments: str) -> list[str]:
        return ["tomobeam-site", *verb.split(), str(self.inventory), *arguments]

    def run(self, verb: str, *arguments: str, code: int = 0) -> str:
        said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
            patch.setenv(age_keys.KEY_VARIABLE, str(self.key))
            patch.setattr(sys, "argv", self.command(verb, *arguments))
            with pytest.raises(SystemExit) as end:
                main()
        assert end.value.code == code, said.getvalue()
        return said.getvalue()

    def vault(self) -> Vault:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(age_keys.KEY_VARIABLE, str(self.key))
            return Vault.load("i13", self.inventory.parent / "secrets")

    def values(self) -> dict[str, str]:
        return dict(self.vault().values())


@pytest.fixture
def ada(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path, "ada")
    operator.inventory.parent.mkdir()
    operator.inventory.write_text(INVENTORY.format(names=()))
    return operator


def made(said: str) -> set[str]:
    return set(re.findall(r"^  (\S+)$", said, re.MULTILINE))


def table(said: str) -> dict[str, str]:
    rows: Iterable[list[str]] = (line.split(maxsplit=1) for line in said.splitlines())
    return {row[0]: row[1] for row in rows}


def test_from_nothing_to_a_whole_site_and_through_a_rotation(ada: Operator) -> None:
    assert "there is no age key" in ada.run("ensure", code=1)
    assert str(ada.key) in ada.run("init")
    assert ada.key.stat().st_mode & 0o777 == 0o600
    ada.run("init")
    first = made(ada.run("ensure"))
    assert {"db-prefect", "package-signing-key", "tls-ca-key", "tls-p12-control"} <= first
    assert first == set(ada.vault().names())
    assert ada.run("ensure") == "nothing to do\n"

    listed = table(ada.run("list"))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert set(listed) == first
    assert listed["db-prefect"].startswith(today)
    ends = pki.ends(ada.vault().get("tls-cert-web"))
    assert listed["tls-cert-web"].endswith(f"ends {ends:%Y-%m-%d}")

    assert ada.run("ca") == ada.vault().get("tls-ca-cert")

    before = ada.values()
    assert made(ada.run("rotate", "db-prefect", "tls-cert-web")) == {
        "db-prefect",
        "tls-cert-web",
        "tls-key-web",
    }
    after = ada.values()
    assert {name for name in after if after[name] != before[name]} == {
        "db-prefect",
        "tls-cert-web",
        "tls-key-web",
    }
    assert "did you mean 'db-prefect'" in ada.run("rotate", "db-prefec", code=1)
    assert "names of secrets, or --all" in ada.run("rotate", code=1)
    assert made(ada.run("rotate", "--all")) == first

    ada.inventory.write_text(INVENTORY.format(names=("page.example",)))
    assert "lacks the name page.example" in ada.run("list")
    assert made(ada.run("ensure")) == {"tls-cert-web", "tls-key-web"}


def test_no_answer_holds_a_value(ada: Operator) -> None:
    ada.run("init")
    said = [ada.run("ensure"), ada.run("list")]
    values = ada.values()
    said += [ada.run("rotate", "--all"), ada.run("list"), ada.run("rotate", "db-", code=1)]
    # A long value could be cut: look for the beginning of each of its lines.
    lines = [line for value in (*values.values(), *ada.values().values()) for line in value.split()]
    parts = {line[:16] for line in lines if len(line) >= 16 and "-----" not in line}
    assert len(parts) > 50
    assert not [part for part in parts if part in "".join(said)]


def test_two_operators(ada: Operator, tmp_path: Path) -> None:
    ada.run("init")
    ada.run("ensure")
    grace = Operator(tmp_path, "grace")
    public = re.findall("age1[a-z0-9]+", grace.run("init"))[0]
    assert f"recipients add inventories/i13 {public}" in grace.run("list", code=1)
    ada.run("recipients add", public, "--name", "Grace")
    assert grace.values() == ada.values()
    assert "--all" in ada.run("recipients remove", public)
    assert "is not encrypted to the age key" in grace.run("list", code=1)


def test_two_ensures_at_once_make_one_set(ada: Operator) -> None:
    ada.run("init")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", secrets_cli.__name__, *ada.command("ensure")[1:]],
            env={**os.environ, age_keys.KEY_VARIABLE: str(ada.key)},
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("nothing to do" in answer for answer in said) == 1
    assert {name for answer in said for name in made(answer)} == set(ada.vault().names())


def test_a_certificate_of_the_sites_own(ada: Operator, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ca = pki.new_ca("institute", now)
    pair = pki.issue(ca, ["web"], now)
    for name, text in {"web.pem": pair.cert, "web.key": pair.key, "ca.pem": ca.cert}.items():
        (tmp_path / name).write_text(text)
    files = ["--cert", str(tmp_path / "web.pem"), "--key", str(tmp_path / "web.key")]
    ada.run("init")
    ada.run("ensure")
    assert "is not signed by this CA" in ada.run("import-cert", "web", *files, code=1)
    put = ada.run("import-cert", "web", *files, "--ca", str(tmp_path / "ca.pem"))
    assert made(put) == {"tls-cert-web", "tls-key-web", "tls-ca-cert"}
    assert ada.values()["tls-cert-web"] == pair.cert
    assert "imported" in table(ada.run("list"))["tls-cert-web"]
    ada.inventory.write_text(INVENTORY.format(names=("page.example",)))
    said = ada.run("ensure")
    assert "nothing to do" in said
    assert "tls-cert-web: the imported certificate lacks the name page.example" in said


def test_what_is_not_used_any_more_is_listed_so(ada: Operator) -> None:
    ada.run("init")
    ada.run("ensure")
    text = ada.inventory.read_text()
    ada.inventory.write_text(text.replace('"web":', '"page":'))
    listed = table(ada.run("list"))
    assert listed["tls-cert-web"].endswith("not used any more")
    assert listed["tls-cert-page"] == "missing"


def test_a_wrong_inventory_is_one_sentence(ada: Operator) -> None:
    ada.inventory.write_text("")
    assert "wants exactly one Site" in ada.run("ensure", code=1)
    local = Operator(ada.inventory.parent, "ada")
    local.inventory = REPOSITORY / "inventories" / "local"
    assert "runs on one machine" in local.run("ensure", code=1)
