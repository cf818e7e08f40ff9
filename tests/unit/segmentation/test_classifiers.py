from __future__ import annotations

import numpy as np
import pytest

from tests.support.specimens import mean_iou, strokes, textured_stack
from tomobeam_segmentation.classifiers import class_weights, classifier
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.features import compute, feature_settings
from tomobeam_segmentation.inference import Segmenter
from tomobeam_segmentation.intensity import measure_range
from tomobeam_segmentation.pixel_model import PixelModel
from tomobeam_segmentation.pixels import PIXELS
from tomobeam_segmentation.registry import check_parameters
from tomobeam_segmentation.store import ModelCard

ALGORITHMS = ("random-forest", "gradient-boosting")
FEW = {"n_estimators": 20, "n_jobs": 1, "sigma_max": 4.0}


def quiet(_done, _total):
    pass


@pytest.fixture(scope="module")
def stack():
    return textured_stack(2, 128)


@pytest.fixture(scope="module", params=ALGORITHMS)
def trained(request, stack):
    image, truth = stack
    parameters = check_parameters(PIXELS, request.param, FEW)
    settings = feature_settings(parameters)
    intensity = measure_range(lambda z: image[z], 2)
    mask = strokes(truth[0], 20)
    features = compute(intensity.normalise(image[0])[0], settings)[:, mask >= 0].T
    labels = mask[mask >= 0].astype(int)
    kind = classifier(request.param)
    card = ModelCard(
        uid="m",
        algorithm=request.param,
        code_version="0",
        data_uri="d",
        mask_uri="m",
        job_name="j",
        parameters=parameters,
        intensity=intensity,
        labels=[0, 1, 2],
        class_count=4,
        scores={},
        file="f",
        sha256="0",
    )
    return kind, features, labels, parameters, card, kind.fit(features, labels, parameters, quiet)


def as_model(card, found):
    return PixelModel(feature_settings(card.parameters), found)


def test_an_unpainted_slice_is_segmented_well(trained, stack):
    *_, card, model = trained
    image, truth = stack
    found, share = Segmenter(card, as_model(card, model), keep_probability=False).segment(image[1])
    assert found.dtype == np.int8
    assert share is None
    assert mean_iou(found, truth[1]) > 0.8


def test_probability_goes_with_the_classes(trained, stack):
    *_, card, model = trained
    image = stack[0][1].copy()
    image[:3, :5] = np.nan
    found, share = Segmenter(card, as_model(card, model), keep_probability=True).segment(image)
    assert share is not None
    assert share.shape == (4, *image.shape)
    assert share.dtype == np.uint8
    assert np.all(found[:3, :5] == -1)
    assert np.all(share[:, :3, :5] == 0)
    assert np.all(share[3] == 0)
    valued = found >= 0
    assert np.abs(share.sum(axis=0, dtype=int)[valued] - 255).max() <= 1
    chosen = np.take_along_axis(share, np.maximum(found, 0)[None].astype(int), 0)[0]
    assert np.all(chosen[valued] >= share.max(axis=0)[valued])


def test_the_same_seed_gives_the_same_bits(trained):
    kind, features, labels, parameters, _, model = trained
    again = kind.fit(features, labels, parameters, quiet)
    np.testing.assert_array_equal(again.probability(features), model.probability(features))
    assert again.scores == model.scores


def test_it_tells_how_far_it_is(trained):
    kind, features, labels, parameters, _, _ = trained
    heard = []
    kind.fit(features, labels, parameters, lambda done, total: heard.append((done, total)))
    assert heard[-1] == (20, 20)
    assert heard == sorted(heard)
    assert len(heard) == 10


def test_kept_and_read_again_it_is_the_same(trained, tmp_path):
    kind, features, *_, model = trained
    model.save(tmp_path / kind.file_name)
    again = kind.load(tmp_path / kind.file_name, features.shape[1])
    np.testing.assert_array_equal(again.probability(features), model.probability(features))


@pytest.mark.parametrize("content", [b"", b"no model", b"\x80\x04K\x01."])
def test_a_file_that_is_no_model_is_refused(trained, tmp_path, content):
    kind = trained[0]
    (tmp_path / kind.file_name).write_bytes(content)
    with pytest.raises(ValueError, match=kind.file_name):
        kind.load(tmp_path / kind.file_name, 5)


def test_a_model_of_other_features_is_refused(trained, tmp_path):
    kind, *_, model = trained
    model.save(tmp_path / kind.file_name)
    with pytest.raises(ValueError, match="3 features"):
        kind.load(tmp_path / kind.file_name, 3)


def test_a_forest_that_points_outside_itself_is_refused(tmp_path):
    from tomobeam_segmentation.forest import Forest

    parameters = check_parameters(PIXELS, "random-forest", {"n_estimators": 10, "n_jobs": 1})
    random = np.random.default_rng(0)
    features = random.random((50, 3), np.float32)
    model = Forest.fit(features, (features[:, 0] > 0.5).astype(int), parameters, quiet)
    model._forest.estimators_[0].tree_.feature[0] = 4000
    model.save(tmp_path / "forest.skops")
    with pytest.raises(ValueError, match="points outside itself"):
        Forest.load(tmp_path / "forest.skops", 3)


def test_balance_gives_each_class_the_same_weight():
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    weights = class_weights(labels, "balanced")
    sums = np.bincount(labels, weights)
    np.testing.assert_allclose(sums, sums[0], rtol=1e-6)
    assert class_weights(labels, "painted") is None


def test_an_unknown_algorithm_is_named():
    with pytest.raises(JobError, match="algorithm: there is no 'u-net'"):
        classifier("u-net")
