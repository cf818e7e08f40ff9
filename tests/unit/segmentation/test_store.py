from __future__ import annotations

import numpy as np
import pytest

from tomobeam_segmentation.classifiers import classifier
from tomobeam_segmentation.errors import JobError, JobFailed
from tomobeam_segmentation.features import feature_settings
from tomobeam_segmentation.intensity import IntensityRange
from tomobeam_segmentation.pixel_model import PixelModel
from tomobeam_segmentation.pixels import PIXELS
from tomobeam_segmentation.registry import check_parameters
from tomobeam_segmentation.resume import Resume
from tomobeam_segmentation.store import load_model, model_folder, save_model, write_atomically


@pytest.fixture(scope="module")
def parameters():
    return check_parameters(
        PIXELS, "gradient-boosting", {"n_estimators": 10, "n_jobs": 1, "sigma_max": 1.0}
    )


@pytest.fixture(scope="module")
def model(parameters):
    random = np.random.default_rng(0)
    features = random.random((60, len(feature_settings(parameters).names)), np.float32)
    labels = (features[:, 0] > 0.5).astype(int)
    return classifier("gradient-boosting").fit(features, labels, parameters, lambda *_: None)


@pytest.fixture
def card(parameters):
    return {
        "uid": "abc",
        "algorithm": "gradient-boosting",
        "code_version": "1",
        "data_uri": "d",
        "mask_uri": "m",
        "job_name": "j",
        "parameters": parameters,
        "intensity": IntensityRange(low=0, high=1),
        "labels": [0, 2],
        "class_count": 3,
        "scores": {"accuracy": 0.5},
    }


def test_a_model_is_found_again_with_its_card(tmp_path, model, card):
    kept = save_model(tmp_path / "abc", model, card)
    found, again = load_model(tmp_path / "abc", PIXELS, "gradient-boosting", {})
    assert found == kept
    assert isinstance(again, PixelModel)
    probe = np.random.default_rng(1).random((5, len(again.features.names)), np.float32)
    np.testing.assert_array_equal(again.classifier.probability(probe), model.probability(probe))
    assert {p.name for p in (tmp_path / "abc").iterdir()} == {"model.json", "boosting.ubj"}


def test_training_again_replaces_it(tmp_path, model, card):
    save_model(tmp_path / "abc", model, card)
    save_model(tmp_path / "abc", model, {**card, "job_name": "second"})
    assert load_model(tmp_path / "abc", PIXELS, "gradient-boosting", {})[0].job_name == "second"


@pytest.mark.parametrize(
    "case",
    [
        (lambda f: (f / "model.json").unlink(), "gradient-boosting", "there is none"),
        (lambda f: (f / "model.json").write_text("{}"), "gradient-boosting", "algorithm: Field"),
        (lambda f: None, "random-forest", "trained by gradient-boosting, not by random-forest"),
        (lambda f: (f / "boosting.ubj").write_bytes(b"x"), "gradient-boosting", "is not the file"),
        (lambda f: (f / "boosting.ubj").unlink(), "gradient-boosting", "cannot read"),
    ],
)
def test_what_is_no_such_model_is_refused(tmp_path, model, card, case):
    harm, algorithm, sentence = case
    save_model(tmp_path / "abc", model, card)
    harm(tmp_path / "abc")
    with pytest.raises(JobError, match=f"uid_retrieve: model abc.*{sentence}"):
        load_model(tmp_path / "abc", PIXELS, algorithm, {})


@pytest.mark.parametrize("uid", ["", "..", "../other", "/etc", "a/b", ".hidden", "a\nb"])
def test_a_uid_is_a_plain_name(tmp_path, uid):
    with pytest.raises(JobError, match=r"io_parameters\.uid_save"):
        model_folder(tmp_path, uid, "uid_save")


def test_a_disk_that_refuses_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(JobFailed, match=r"models_dir: cannot write .*file"):
        write_atomically(tmp_path / "file" / "x.json", "{}")


def test_a_run_remembers_how_far_it_came(tmp_path):
    task = {"uid": "a", "shape": [3, 4, 5]}
    assert Resume(tmp_path / "run", task).done() == 0
    Resume(tmp_path / "run", task).record(2)
    assert Resume(tmp_path / "run", task).done() == 2
    assert Resume(tmp_path / "run", {**task, "uid": "b"}).done() == 0


@pytest.mark.parametrize("content", ["", "{", '{"done": -1, "task": {}}', "[]"])
def test_a_damaged_state_means_from_the_start(tmp_path, content):
    (tmp_path / "inference.json").write_text(content)
    assert Resume(tmp_path, {}).done() == 0
