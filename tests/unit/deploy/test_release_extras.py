"""Releases of a package that comes in variants; the networks are the one that does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tomobeam_deploy.releases import ReleaseError, release_of
from tomobeam_deploy.releases.release import inputs_of
from tomobeam_deploy.templates import ROOT

CPU, CUDA = ("tomobeam-dlsia[cpu]",), ("tomobeam-dlsia[cuda]",)


def names(requirements: str) -> set[str]:
    return {line.partition("==")[0] for line in requirements.splitlines() if "==" in line}


def test_without_cuda_nothing_of_it_comes_along() -> None:
    inputs = inputs_of("dlsia", CPU, ROOT)
    found = names(inputs.requirements)
    assert {"dlsia", "sympy"} <= found
    assert not {name for name in found if name.startswith("nvidia-") or name in ("torch", "triton")}
    assert inputs.beside == (ROOT / "services/dlsia/extra-cpu.txt",)
    assert "tomobeam-segmentation" in inputs.members


def test_with_cuda_all_is_locked() -> None:
    inputs = inputs_of("dlsia", CUDA, ROOT)
    assert {"torch", "triton", "nvidia-cudnn-cu13"} <= names(inputs.requirements)
    assert inputs.beside == ()
    assert inputs.release.digest != release_of("dlsia", CPU).digest


def test_variants_go_with_other_packages() -> None:
    found = names(inputs_of("worker", ("tomobeam-flows", *CPU), ROOT).requirements)
    assert {"prefect", "dlsia"} <= found


def test_nobody_else_gets_pytorch() -> None:
    for package in ("tomobeam", "tomobeam-flows", "tomobeam-segmentation", "tomobeam-webapp"):
        assert not {"torch", "dlsia"} & names(inputs_of("any", (package,), ROOT).requirements)


def test_what_the_lock_cannot_hold_decides_too(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "services", tmp_path / "services")
    before = release_of("dlsia", CPU, tree=tmp_path).digest
    listed = tmp_path / "services/dlsia/extra-cpu.txt"
    listed.write_text(listed.read_text().replace("2.13.0", "2.13.1"))
    assert release_of("dlsia", CPU, tree=tmp_path).digest != before
    assert release_of("dlsia", CUDA, tree=tmp_path) == release_of("dlsia", CUDA, tree=tmp_path)


@pytest.mark.parametrize("name", ["tomobeam-dlsia[", "tomobeam-dlsia[cpu", "--extra", "a b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ReleaseError, match="package"):
        release_of("dlsia", (name,))


def test_an_extra_that_is_not_there_is_refused() -> None:
    with pytest.raises(ReleaseError, match="rocm"):
        release_of("dlsia", ("tomobeam-dlsia[rocm]",))
