"""What images stand on: which base is taken, and what is said where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.services.images.own_podman import PODMAN
from tomobeam_deploy.debian import VARIABLE, NoSourcesError
from tomobeam_deploy.images.base import DEFAULT_BASE, OWN_BASE, ensure_base, ready_base
from tomobeam_deploy.images.build import ensure_images
from tomobeam_deploy.images.runtime import ContainersError, call, image
from tomobeam_deploy.site import Site


def test_the_one_that_was_made_stands_in_for_debians_own(podman: Path) -> None:
    assert ready_base(PODMAN).name == OWN_BASE
    call(PODMAN, "tag", OWN_BASE, DEFAULT_BASE)
    try:
        assert ready_base(PODMAN).name == DEFAULT_BASE
    finally:
        call(PODMAN, "untag", OWN_BASE, DEFAULT_BASE)
    assert ready_base(PODMAN) == ready_base(PODMAN, OWN_BASE)


def test_one_that_nobody_has_is_said_with_what_to_do(site: Site) -> None:
    with pytest.raises(ContainersError, match="make base-image, or name another by BASE_IMAGE=…"):
        ensure_images(site, "registry.invalid/debian:bookworm", ["broker"])


def test_what_it_is_made_by_is_named_where_it_is_missing(
    podman: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "podman").symlink_to(shutil.which("podman") or "podman")
    sources = tmp_path / "bookworm.sources"
    sources.write_text("# bookworm\n")
    monkeypatch.setenv(VARIABLE, str(sources))
    monkeypatch.setenv("PATH", str(tmp_path))
    before = image(PODMAN, OWN_BASE)
    with pytest.raises(ContainersError, match=r"^mmdebstrap is not installed"):
        ensure_base(PODMAN, again=True)
    assert image(PODMAN, OWN_BASE) == before
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(NoSourcesError, match=f"name a file that has one in {VARIABLE}"):
        ensure_base(PODMAN)


def test_a_mirror_that_has_nothing_is_said(
    podman: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    sources = tmp_path / "empty.list"
    sources.write_text(f"deb [trusted=yes] file:{tmp_path}/nothing bookworm main\n")
    monkeypatch.setenv(VARIABLE, str(sources))
    with pytest.raises(ContainersError, match=r"^mmdebstrap: "):
        ensure_base(PODMAN)
