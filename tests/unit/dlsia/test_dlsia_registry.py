"""The forms of the networks, and their check; without PyTorch."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.platform import REPOSITORY
from tomobeam_contracts.registry import Registry
from tomobeam_dlsia.networks import NETWORKS
from tomobeam_segmentation.cli import STEPS
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.pixels import PIXELS
from tomobeam_segmentation.registry import check_parameters

SERVICE = REPOSITORY / "services" / "dlsia"


def test_the_registry_names_commands_that_exist():
    registry = Registry.model_validate_json(NETWORKS.registry.read_bytes())
    assert [a.model_name for a in registry.contents] == list(NETWORKS.names)
    for algorithm in registry.contents:
        for step in STEPS:
            assert algorithm.command(step) == ["tomobeam-dlsia", step, algorithm.model_name]


def test_no_name_is_that_of_a_pixel_classifier():
    assert not set(NETWORKS.names) & set(PIXELS.names)


@pytest.mark.parametrize("algorithm", NETWORKS.names)
def test_every_default_passes(algorithm):
    form = Registry.read(NETWORKS.registry).find(algorithm)
    assert form.is_gpu_enabled
    for parameter in form.gui_parameters:
        assert parameter.check(parameter.default) == parameter.default
        assert parameter.title
        assert parameter.comp_group
    assert check_parameters(NETWORKS, algorithm, {})["device"] == "auto"


@pytest.mark.parametrize(
    ("algorithm", "values", "sentence"),
    [
        ("dlsia-tunet", {"depth": 6, "crop_size": 32}, "depth: 6 halves a crop of 32 pixels too"),
        ("dlsia-tunet", {"depth": 1}, "depth: 1 is not a whole number at least 2"),
        ("dlsia-tunet", {"num_layers": 3}, "num_layers: dlsia-tunet has no such parameter"),
        ("dlsia-msdnet", {"device": "gpu"}, "device: 'gpu' is not one of auto, cpu, cuda"),
        ("dlsia-msdnet", {"epochs": 0}, "epochs: 0 is not a whole number at least 1"),
        ("dlsia-msdnet", {"learning_rate": 0}, "learning_rate: 0 is not a number at least 0.0001"),
    ],
)
def test_a_wrong_parameter_is_named(algorithm, values, sentence):
    with pytest.raises(JobError, match=rf"model_parameters\.{re.escape(sentence)}"):
        check_parameters(NETWORKS, algorithm, values)


def test_both_builds_of_pytorch_are_of_one_version():
    wanted = re.search(r'"torch==([\d.]+)"', (SERVICE / "pyproject.toml").read_text())
    cpu = re.search(r"^torch==([\d.]+)\+cpu ", (SERVICE / "extra-cpu.txt").read_text(), re.M)
    assert wanted
    assert cpu
    assert cpu[1] == wanted[1]


def test_the_first_line_comes_before_pytorch(tmp_path):
    """As it does for the pixel classifiers, whose imports are light beside it."""
    program = f"""
import sys
from tomobeam_dlsia import cli
write = sys.stdout.write
def first(line):
    sys.stderr.write(",".join(m for m in ("torch", "numpy", "pydantic") if m in sys.modules) + "|")
    sys.stdout.write = write
    return write(line)
sys.stdout.write = first
import tomobeam_segmentation.cli as shared
shared.version = lambda name: "1"
cli.main(["train", "dlsia-tunet", {str(tmp_path / "none.yaml")!r}])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(SERVICE / "src")},
    )
    assert done.stdout.startswith("tomobeam-dlsia 1: train dlsia-tunet: starting\n")
    assert done.stderr == f"|{tmp_path / 'none.yaml'}: No such file or directory\n"
    assert done.returncode == 2
