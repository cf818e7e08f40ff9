"""What `make demo` does once everything answers."""

from __future__ import annotations

import io

from rich.console import Console

from tests.support.platform import Platform
from tomobeam_deploy.demo.chain import page_users, run_demo


def test_one_scan_passes_every_wire_and_is_segmented_well(platform: Platform) -> None:
    output = io.StringIO()
    passed = run_demo(
        platform.local.layout,
        page_users(platform.local.processes["webapp"]),
        Console(file=output, width=160),
    )
    assert passed, output.getvalue()
    text = output.getvalue()
    assert "failed" not in text
    assert float(text.partition("ground truth: ")[2].split()[0]) > 0.6
    for secret in (platform.local.layout.secrets).iterdir():
        assert secret.read_text().strip() not in text
