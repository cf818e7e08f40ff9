"""A role leaves a host and comes back; what others use, and data, stays."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.conftest import INVENTORY, LIMIT_S, Operator
from tests.deploy.hosts import at, rows, runs, state
from tests.hosts.expected import target_of
from tomobeam_deploy.hosts.removal import dropped
from tomobeam_deploy.on_host import COMMAND, Do, orders
from tomobeam_deploy.renderers.systemd import unit_name

pytestmark = pytest.mark.timeout(LIMIT_S)

HOST, ROLE = "compute2", "worker"
UNIT = unit_name(ROLE)
UNINSTALL = f"tomobeam-site uninstall {INVENTORY} {ROLE} --limit {HOST}"
KEPT = "/var/lib/tomobeam/worker/kept"
LEFT = (
    "find /etc /opt/tomobeam /run/tomobeam-started -path '*worker*' -o -name registry.json; "
    f"systemctl list-unit-files --no-legend '{UNIT}' || true"
)


@pytest.fixture(scope="module", autouse=True)
def _comes_back(platform: Operator) -> Iterator[None]:
    yield
    platform.deploy(more=f"--limit {HOST}")


def test_a_plan_names_what_goes_and_what_stays(platform: Operator) -> None:
    before = state(HOST)
    done = platform.run(f"pyinfra {INVENTORY} deploy/uninstall.py --dry --data role={ROLE}")
    said = done.stdout + done.stderr
    for what in (
        f"{UNIT}: goes",
        "/etc/tomobeam/worker/secrets: goes",
        "account tomobeam-worker: stays",
        "data in /var/lib/tomobeam/worker: stays",
    ):
        assert all(f"[{host}] {what}" in said for host in ("compute1", HOST)), what
    assert state(HOST) == before


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("role=tiled", "tiled is needed by ingester, webapp, worker; remove them too: role=tiled,"),
        ("role=firewall", "firewall is what makes a host one of the site; it stays"),
        ("role=wroker", "there is no 'wroker'; did you mean 'worker'?"),
        ("delete=no", "say which role is to go: --data role=webapp"),
        ("role=worker --data delete=yes", "data is deleted for good only on a terminal"),
    ],
)
def test_what_may_not_go_is_refused_with_one_sentence(
    platform: Operator, given: str, sentence: str
) -> None:
    done = platform.run(f"pyinfra -y {INVENTORY} deploy/uninstall.py --data {given}", ok=1)
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_nothing_of_it_is_left_but_its_data(platform: Operator) -> None:
    at(HOST, f"touch {KEPT}")
    others = runs(HOST)
    del others[UNIT]
    platform.run(f"{UNINSTALL} --yes")
    assert at(HOST, LEFT) == ""
    assert at(HOST, f"ls {KEPT}; id -un tomobeam-worker").split() == [KEPT, "tomobeam-worker"]
    assert runs(HOST) == others
    assert at(HOST, "systemctl --failed --no-legend") == ""
    # The same role of another host is none of this.
    assert at("compute1", f"systemctl is-active {UNIT}") == "active"


def test_another_time_nothing_is_left_to_do(platform: Operator) -> None:
    line = f"pyinfra -y {INVENTORY} deploy/uninstall.py --data role={ROLE} --limit {HOST} --json"
    totals = json.loads(platform.run(line).stdout)["results"]["totals"]
    assert (totals["success"], totals["error"]) == (0, 0)


def test_what_is_missing_shows(platform: Operator) -> None:
    found = platform.run(f"tomobeam-site status {INVENTORY} --limit {HOST}", ok=1).stdout
    assert f"{HOST}: {UNIT}: is not-found" in found
    assert any(line.startswith(f"{HOST}: {UNIT}: ") for line in platform.drift(HOST))


def test_a_deploy_brings_it_back(platform: Operator) -> None:
    platform.deploy(more=f"--limit {HOST}")
    assert platform.drift(HOST) == []
    assert at(HOST, f"systemctl is-active {UNIT}; ls {KEPT}").split() == ["active", KEPT]
    secrets = target_of(platform.site, HOST).processes[ROLE].placement.secrets
    assert at(HOST, f"stat -c %a {secrets}/*").split() == ["600", "600"]


def test_a_database_goes_whoever_is_connected(platform: Operator) -> None:
    control = platform.site.host_of("postgresql")
    postgres = "cd / && runuser -u postgres --"
    at(control, f"{postgres} createdb uninstall_trial")
    at(
        control,
        f"{postgres} sh -c 'sleep 600 | psql --quiet uninstall_trial' >/dev/null 2>&1 & "
        f'until {postgres} psql -At -c "select 1 from pg_stat_activity '
        "where datname = 'uninstall_trial'\" | grep -q 1; do :; done",
    )
    gone = dropped(["uninstall_trial", "never_there"])
    program = shlex.join(COMMAND)

    def send(do: Do) -> str:
        order = orders(do, [gone.wanted() | gone.payload()])
        return at(control, program, stdin=order.encode())

    said = json.loads(send("compare"))["differences"]
    assert said == {gone.title: ["uninstall_trial is there"]}
    send("apply")
    assert json.loads(send("compare"))["differences"] == {}
    assert rows(platform.site, "postgres", "select datname from pg_database order by 1") == [
        *("postgres", "prefect", "template0", "template1", "tiled_authn", "tiled_catalog")
    ]
    at(control, "pkill -f '[s]leep 600'")


def on_a_terminal(operator: Operator, typed: str) -> tuple[int, str]:
    """Delete the data too, and answer the question; exit code, and what the terminal shows."""
    ours, theirs = pty.openpty()
    command = [*UNINSTALL.split(), "--data-too", "--yes"]
    process = subprocess.Popen(
        command,
        cwd=operator.tree,
        env=operator.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    while True:
        try:
            shown += os.read(ours, 4096).decode(errors="replace")
        except OSError:
            # All who had the terminal are gone.
            break
        if f"Type {ROLE}: " in shown and typed:
            os.write(ours, f"{typed}\n".encode())
            typed = ""
    os.close(ours)
    return process.wait(), shown


def test_data_goes_only_if_its_name_is_typed(platform: Operator) -> None:
    at(HOST, f"touch {KEPT}")
    code, shown = on_a_terminal(platform, "yes")
    assert code == 1
    assert "that is not its name; nothing was deleted" in shown
    assert at(HOST, f"systemctl is-active {UNIT}; ls {KEPT}").split() == ["active", KEPT]

    code, shown = on_a_terminal(platform, ROLE)
    assert code == 0, shown
    assert at(HOST, "find /var/lib/tomobeam") == "/var/lib/tomobeam"
    assert at(HOST, LEFT) == ""
    platform.deploy(more=f"--limit {HOST}")
    assert platform.drift(HOST) == []
