"""Renders a process as a systemd unit."""

from __future__ import annotations

from tomobeam_deploy.service import Process

UNIT_PREFIX = "tomobeam-"


def unit_name(service: str) -> str:
    """The unit's file name."""
    return f"{UNIT_PREFIX}{service}.service"


def _quote(word: str) -> str:
    # systemd expands % specifiers and $ variables inside quotes as well.
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", "$$")}"'


def _assignment(key: str, value: str) -> str:
    # $ is literal in Environment=.
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'Environment="{key}={escaped}"'


def render_unit(process: Process) -> str:
    """The unit's text. Secrets arrive through LoadCredential= and stand nowhere in it."""
    place, service = process.placement, process.service
    needs = " ".join(unit_name(name) for name in service.needs)
    settings = {
        key: value
        for key, value in process.environment.items()
        if key.removesuffix("_FILE") not in process.credentials
    }
    lines = [
        "[Unit]",
        f"Description={service.summary}",
        f"After=network-online.target {needs}".rstrip(),
        "Wants=network-online.target",
        "",
        "[Service]",
        "Type=exec",
        *([f"User={place.user}"] if place.user else []),
        f"WorkingDirectory={place.state}",
        *(_assignment(key, value) for key, value in sorted(settings.items())),
        *(
            f"LoadCredential={name}:{place.secrets / name}"
            for name in sorted(set(process.credentials.values()))
        ),
        # %d is the folder of this unit's credentials.
        *(
            f'Environment="{key}_FILE=%d/{name}"'
            for key, name in sorted(process.credentials.items())
        ),
        *([f"ExecStartPre={_command(process.prepare)}"] if process.prepare else []),
        f"ExecStart={_command(process.argv)}",
        "Restart=on-failure",
        "RestartSec=2",
        f"TimeoutStartSec={service.health.start_limit_s}",
        *([f"SuccessExitStatus={_codes(service.success_codes)}"] if service.success_codes else []),
        f"ReadWritePaths={' '.join(_quote(str(path)) for path in process.writable)}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _command(argv: tuple[str, ...]) -> str:
    return " ".join(_quote(word) for word in argv)


def _codes(codes: tuple[int, ...]) -> str:
    return " ".join(str(code) for code in codes)
