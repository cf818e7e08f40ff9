"""The storage host: Tiled and the ingester."""

from __future__ import annotations

from tests.hosts.reach import Reached
from tomobeam_deploy.hosts.target import CA
from tomobeam_deploy.site import Accounts, Group

GROUPS = (Group.STORAGE,)
READERS = ("tiled", "ingester")


def test_tiled_answers_nobody_without_a_key(host: Reached) -> None:
    url = f"{host.site.tiled_url}/api/v1/metadata/"
    assert host.ask("http", {"ca": str(CA), "urls": [url]})[url][0] == 401


def test_tiled_and_the_ingester_read_the_store_and_cannot_write_it(host: Reached) -> None:
    roots = [str(root) for root in host.site.data.readable]
    trials = [(Accounts.name(s), flag, root) for s in READERS for root in roots for flag in "rxw"]
    answers = dict(zip(trials, host.ask("access", trials), strict=True))
    assert answers == {trial: trial[1] != "w" for trial in trials}


def test_only_tiled_has_its_own_store(host: Reached) -> None:
    writable = str(host.site.data.writable)
    tiled, ingester = (Accounts.name(service) for service in READERS)
    trials = [(tiled, "w", writable), (ingester, "r", writable)]
    assert host.ask("access", trials) == [True, False]
