from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from tomobeam_contracts.registry import Registry
from tomobeam_segmentation.cli import STEPS
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.job import read_job
from tomobeam_segmentation.pixels import PIXELS
from tomobeam_segmentation.registry import check_parameters

KEY = "topsecretkey"
HEAVY = ("numpy", "scipy", "cv2", "sklearn", "skops", "xgboost", "pydantic", "httpx", "yaml")


def params(tmp_path, **changes):
    path = tmp_path / "params.yaml"
    io = {
        "data_tiled_uri": "http://tiled/api/v1/metadata/recons/a",
        "data_tiled_api_key": KEY,
        "uid_save": "u",
        "models_dir": str(tmp_path),
    }
    io |= changes.pop("io", {})
    path.write_text(yaml.safe_dump({"io_parameters": io, **changes}))
    return path


def test_the_first_line_comes_before_heavy_imports(tmp_path):
    program = f"""
import sys
from tomobeam_segmentation import cli
write = sys.stdout.write
def first(line):
    sys.stderr.write(",".join(m for m in {HEAVY!r} if m in sys.modules) + "|" + line)
    sys.stdout.write = write
    return write(line)
sys.stdout.write = first
cli.main(["train", "random-forest", {str(tmp_path / "none.yaml")!r}])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    loaded, _, line = done.stderr.splitlines()[0].partition("|")
    assert loaded == ""
    assert "train random-forest: starting" in line
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [f"{tmp_path / 'none.yaml'}: No such file or directory"]


def test_the_registry_names_commands_that_exist():
    registry = Registry.read(PIXELS.registry)
    assert [a.model_name for a in registry.contents] == list(PIXELS.names)
    for algorithm in registry.contents:
        for step in STEPS:
            assert algorithm.command(step) == ["tomobeam-segment", step, algorithm.model_name]


def test_the_registry_holds_only_what_its_contract_knows():
    Registry.model_validate_json(PIXELS.registry.read_bytes())


@pytest.mark.parametrize("algorithm", PIXELS.names)
def test_every_default_passes_its_own_check(algorithm):
    for parameter in Registry.read(PIXELS.registry).find(algorithm).gui_parameters:
        assert parameter.check(parameter.default) == parameter.default
        assert parameter.title
        assert parameter.comp_group


def test_the_registry_is_printed(capsys):
    from tomobeam_segmentation.cli import main

    main(["registry"])
    assert json.loads(capsys.readouterr().out) == json.loads(PIXELS.registry.read_text())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"trees": 3}, r"model_parameters\.trees: random-forest has no such parameter"),
        ({"n_estimators": "many"}, r"model_parameters\.n_estimators: 'many' is not a whole number"),
        ({"n_estimators": 1.5}, r"n_estimators: 1\.5 is not a whole number"),
        ({"n_estimators": True}, r"n_estimators: True is not"),
        ({"max_depth": 0}, "max_depth: 0 is not a whole number at least 1"),
        ({"use_edges": 1}, "use_edges: 1 is not true or false"),
        ({"class_balance": "x"}, "class_balance: 'x' is not one of balanced, painted"),
        ({"sigma_min": 4, "sigma_max": 2}, "sigma_max: 2 is below sigma_min, 4"),
        ({"sigma_max": float("nan")}, "sigma_max: nan is not a number"),
    ],
)
def test_a_wrong_parameter_is_named(values, sentence):
    with pytest.raises(JobError, match=sentence):
        check_parameters(PIXELS, "random-forest", values)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"io": {"uid_save": ""}}, r"params\.yaml: io_parameters\.uid_save"),
        ({"io": {"data_tiled_uri": None}}, r"io_parameters\.data_tiled_uri"),
        ({"io": {"models_dir": 3}}, r"io_parameters\.models_dir"),
        ({"model_parameters": {"seed": -1}}, r"model_parameters\.seed: -1"),
        ({"model_parameters": 4}, r"params\.yaml: model_parameters"),
    ],
)
def test_a_wrong_field_is_named_and_no_key_is_shown(tmp_path, changes, sentence):
    with pytest.raises(JobError, match=sentence) as refused:
        read_job(PIXELS, "random-forest", params(tmp_path, **changes), "1")
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"data_tiled_api_key: [{KEY}".encode(), "is no YAML, line 1"),
        (b"\xff\xfe\xfa", "is no UTF-8 text"),
        (b"", "the document: Input should be"),
        (f"io_parameters: {KEY}".encode(), "io_parameters: Input should be"),
    ],
)
def test_a_file_that_is_no_job_is_named_and_no_key_is_shown(tmp_path, content, sentence):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(JobError, match=f"params.yaml: .*{sentence}") as refused:
        read_job(PIXELS, "random-forest", path, "1")
    assert KEY not in str(refused.value)


def test_patience_is_a_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("TOMOBEAM_TILED_PATIENCE_S", "soon")
    with pytest.raises(JobError, match="TOMOBEAM_TILED_PATIENCE_S"):
        read_job(PIXELS, "random-forest", params(tmp_path), "1")
