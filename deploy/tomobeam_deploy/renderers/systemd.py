"""Renders a process as systemd units: the service itself, and each of its stages that runs once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from tomobeam_deploy.renderers.hardening import hardening
from tomobeam_deploy.service import Process

UNIT_PREFIX = "tomobeam-"
UNITS = "/etc/systemd/system"
# Where a unit records what it was started with (on_host/units.py compares).
STARTED = "/run/tomobeam-started"
# Where systemd looks before the folders of Debian's packages; `systemctl edit`, `set-property` and
# whoever keeps the host write there.
_BEFORE_DEBIAN = ("/etc/systemd/system*", "/run/systemd/system*")


class Once(StrEnum):
    """The stages of a service that run once and end."""

    MIGRATE = "migrate"
    PREPARE = "prepare"
    PROVISION = "provision"


def unit_name(service: str, once: Once | None = None) -> str:
    """The unit's file name."""
    return f"{UNIT_PREFIX}{service}{f'-{once}' if once else ''}.service"


def timer_name(service: str) -> str:
    """The file name of a service's timer."""
    return f"{UNIT_PREFIX}{service}.timer"


def overriding(unit: str) -> tuple[str, ...]:
    """Patterns of all files that say what a unit is, except those that Debian's packages bring.

    These are its file, its drop-ins, and those of its template and of the beginnings of its name.
    What is said of all units of a kind is the facility's.
    """
    stem, _, kind = unit.rpartition(".")
    prefix, instance, _ = stem.partition("@")
    names = [unit, f"{prefix}@.{kind}"] if instance else [unit]
    words = prefix.split("-")
    beginnings = [f"{'-'.join(words[:count])}-.{kind}" for count in range(1, len(words))]
    return tuple(
        f"{folder}/{file}"
        for folder in _BEFORE_DEBIAN
        for file in (*names, *(f"{name}.d/*.conf" for name in names + beginnings))
    )


def recording(unit: str, files: Sequence[str], links: Sequence[str] = ()) -> str:
    """The line by which a unit records what it is started with: contents, and where links point.

    `files` may be patterns; of these each file that is there is recorded.

    With it a restart is decided from what runs, not from what a deploy remembers. It runs as
    root, outside of the sandbox, since the files may be others' secrets.
    """
    record = f"{STARTED}/{unit}"
    steps = [
        f"umask 077; mkdir -p {STARTED}",
        f"sha256sum -- {' '.join(files)} >{record} 2>/dev/null",
        *([f"readlink -- {' '.join(links)} >>{record}"] if links else []),
    ]
    return f"ExecStartPre=-+/bin/sh -c '{'; '.join(steps)}'"


def render_unit(process: Process, record: str = "") -> str:
    """The unit of the service; secrets arrive through LoadCredential= and stand nowhere in it.

    `record` is the line that `recording` gives for all that the unit reads.
    """
    service = process.service
    if service.every_s is not None:
        return render_command(process, service.summary)
    lines = [
        "[Unit]",
        f"Description={service.summary}",
        f"After=network-online.target {' '.join(map(unit_name, service.needs))}".rstrip(),
        "Wants=network-online.target",
        # A service that fails at once is tried again for as long as it takes.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        *_where(process),
        *_environment(process, process.environment, process.credentials),
        *([record] if record else []),
        f"ExecStart={_command(process.argv)}",
        "Restart=on-failure",
        "RestartSec=2",
        f"TimeoutStartSec={service.health.start_limit_s}",
        f"TimeoutStopSec={service.stop_limit_s}",
        f"KillSignal={service.stop_signal}",
        *([f"SuccessExitStatus={_codes(service.success_codes)}"] if service.success_codes else []),
        *_sandbox(process),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def render_command(process: Process, title: str) -> str:
    """A unit that runs to its end, with all that the service has."""
    given, limit_s = process.credentials, process.service.health.start_limit_s
    return _oneshot(process, title, process.argv, process.environment, given, limit_s=limit_s)


def render_once(process: Process, once: Once) -> str | None:
    """The unit of a stage that runs once, as the service's user; None where it has none."""
    argv = {
        Once.MIGRATE: process.migrate,
        Once.PREPARE: process.prepare,
        Once.PROVISION: process.provision,
    }[once]
    if not argv:
        return None
    after = once is Once.PROVISION
    environment = process.provision_environment if after else process.environment
    # Of a large database nobody knows how long it takes.
    limit_s = None if once is Once.MIGRATE else process.service.health.start_limit_s
    title, given = f"{process.service.summary}: {once}", credentials_of(process, once)
    return _oneshot(process, title, argv, environment, given, limit_s=limit_s)


def credentials_of(process: Process, once: Once) -> Mapping[str, str]:
    """What a stage that runs once is given, as `Process.credentials`."""
    after = once is Once.PROVISION
    return process.provision_credentials if after else process.credentials


def render_timer(process: Process) -> str:
    """The timer of a service that runs and ends again and again."""
    lines = [
        "[Unit]",
        f"Description={process.service.summary}, again and again",
        "",
        "[Timer]",
        f"OnActiveSec={process.service.every_s}",
        f"OnUnitInactiveSec={process.service.every_s}",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
    ]
    return "\n".join(lines)


def _oneshot(
    process: Process,
    title: str,
    argv: tuple[str, ...],
    environment: Mapping[str, str],
    credentials: Mapping[str, str],
    *,
    limit_s: int | None,
) -> str:
    lines = [
        "[Unit]",
        f"Description={title}",
        "",
        "[Service]",
        "Type=oneshot",
        *_where(process),
        *_environment(process, environment, credentials),
        f"ExecStart={_command(argv)}",
        f"TimeoutStartSec={limit_s or 'infinity'}",
        *_sandbox(process),
        "",
    ]
    return "\n".join(lines)


def _where(process: Process) -> list[str]:
    place = process.placement
    user = [f"User={place.user}"] if place.user else []
    return [*user, f"WorkingDirectory={place.state}"]


def _environment(
    process: Process, variables: Mapping[str, str], credentials: Mapping[str, str]
) -> list[str]:
    place = process.placement
    settings = {k: v for k, v in variables.items() if k not in credentials}
    home = {"HOME": str(place.state), "PYTHONUNBUFFERED": "1"}
    names = sorted(set(credentials.values()))
    return [
        *(_assignment(key, value) for key, value in sorted((home | settings).items())),
        *(f"LoadCredential={name}:{place.secrets / name}" for name in names),
        # %d is the folder of this unit's credentials.
        *(f'Environment="{key}=%d/{name}"' for key, name in sorted(credentials.items())),
    ]


def _sandbox(process: Process) -> list[str]:
    return [f"ReadWritePaths={_paths(process.writable)}", *hardening(process)]


def _paths(paths: tuple[Path, ...]) -> str:
    return " ".join(_quote(str(path)) for path in paths)


def _quote(word: str) -> str:
    # systemd expands % specifiers and $ variables inside quotes as well.
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", "$$")}"'


def _assignment(key: str, value: str) -> str:
    # $ is literal in Environment=.
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'Environment="{key}={escaped}"'


def _command(argv: tuple[str, ...]) -> str:
    return " ".join(_quote(word) for word in argv)


def _codes(codes: tuple[int, ...]) -> str:
    return " ".join(str(code) for code in codes)
