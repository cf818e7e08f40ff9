from __future__ import annotations

import numpy as np
import pytest

from tests.services.segmentation.jobs import run
from tomobeam_contracts.destinations import RESULTS


def refused(lab, capsys, step, params, algorithm="gradient-boosting"):
    """Run the job and check how it ended; returns its one sentence."""
    assert run(step, algorithm, params, "test") == 2
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1
    assert lab.key not in sentence
    return sentence


def other_slices(painted, slices):
    return painted.mask, {**painted.metadata, "mask_idx": slices}


def relabelled(painted, change):
    mask = painted.mask.copy()
    change(mask)
    return mask, painted.metadata


def without(painted, name):
    return painted.mask, {k: v for k, v in painted.metadata.items() if k != name}


MASKS = {
    "no pixel is painted": lambda p: (np.full_like(p.mask, -1), p.metadata),
    "only the class grain is painted": lambda p: (np.where(p.mask == 1, 1, -1), p.metadata),
    "only the class 5 is painted": lambda p: (
        np.where(p.mask == 1, 5, -1),
        {**p.metadata, "classes": []},
    ),
    "the array mask is int8 (2, 64, 128)": lambda p: (p.mask[:, :64], p.metadata),
    "the array mask is int8 (1, 128, 128)": lambda p: (p.mask[:1], p.metadata),
    "integers (2, 128, 128)": lambda p: (p.mask.astype("float32"), p.metadata),
    "mask_idx names slice 4, but the image has slices 0 to 3": lambda p: other_slices(p, [0, 4]),
    "mask_idx names slice -1": lambda p: other_slices(p, [-1, 0]),
    "mask_idx names a slice twice": lambda p: other_slices(p, [1, 1]),
    "mask_idx holds '1'": lambda p: other_slices(p, ["1", "2"]),
    "no mask_idx": lambda p: without(p, "mask_idx"),
    "no data_uri": lambda p: without(p, "data_uri"),
    "not a Tiled metadata URI": lambda p: (p.mask, {**p.metadata, "data_uri": "x"}),
    "holds the value 3, but the mask has the classes 0 to 2": lambda p: relabelled(
        p, lambda mask: mask.__setitem__((0, 0, 0), 3)
    ),
    "holds the value -2": lambda p: relabelled(p, lambda mask: mask.__setitem__((1, 0, 0), -2)),
    "it was painted on /recons/other": lambda p: (
        p.mask,
        {**p.metadata, "data_uri": "http://x/api/v1/metadata/recons/other"},
    ),
    "it was painted on an image of shape (4, 64, 64)": lambda p: (
        p.mask,
        {**p.metadata, "image_shape": [4, 64, 64]},
    ),
    "unlabeled_class_id must be -1": lambda p: (p.mask, {**p.metadata, "unlabeled_class_id": 0}),
}


@pytest.mark.parametrize("sentence", MASKS)
def test_a_wrong_mask_is_refused(lab, painted, capsys, sentence):
    mask, metadata = MASKS[sentence](painted)
    path = lab.put_mask(painted.image_path, mask.astype(mask.dtype), metadata)
    params = lab.params(painted.image_path, uid_save="refused", mask_tiled_uri=lab.uri(path))
    said = refused(lab, capsys, "train", params)
    assert said.startswith("io_parameters.mask_tiled_uri: ")
    assert sentence in said
    assert not (lab.folder / "models" / "refused").exists()


@pytest.mark.parametrize(
    ("value", "sentence"), [(np.nan, "no finite value"), (3.0, "every pixel looked at is 3")]
)
def test_an_image_that_says_nothing_is_refused(lab, painted, capsys, value, sentence):
    path = lab.put_image(np.full_like(painted.image, value))
    mask = lab.put_mask(path, painted.mask, {**painted.metadata, "data_uri": lab.uri(path)})
    params = lab.params(path, uid_save="refused", mask_tiled_uri=lab.uri(mask))
    said = refused(lab, capsys, "train", params)
    assert f"io_parameters.data_tiled_uri: {sentence}" in said.replace("the image holds ", "")


def test_strokes_only_where_the_image_has_no_value_are_refused(lab, painted, capsys):
    image = painted.image.copy()
    image[[0, 2]] = np.nan
    path = lab.put_image(image)
    mask = lab.put_mask(path, painted.mask, {**painted.metadata, "data_uri": lab.uri(path)})
    params = lab.params(path, uid_save="refused", mask_tiled_uri=lab.uri(mask))
    assert "every painted pixel lies where the image has no value" in refused(
        lab, capsys, "train", params
    )


TRAIN = {
    "io_parameters.mask_tiled_uri: missing": {"mask_tiled_uri": None},
    "io_parameters.mask_tiled_api_key: missing": {"mask_tiled_api_key": None},
    "io_parameters.mask_tiled_uri: there is no /masks/nobody": {"mask_tiled_uri": "masks/nobody"},
    "io_parameters.data_tiled_uri: there is no /recons/none": {"data_tiled_uri": "recons/none"},
    "io_parameters.data_tiled_uri: /results is no stack": {"data_tiled_uri": RESULTS},
    "io_parameters.data_tiled_api_key: Tiled:": {"data_tiled_api_key": "wrongkey"},
    "io_parameters.uid_save: 'a/b' is no name": {"uid_save": "a/b"},
}


@pytest.mark.parametrize("sentence", TRAIN)
def test_a_wrong_field_of_a_training_is_refused(lab, painted, capsys, sentence):
    fields = {"uid_save": "refused", "mask_tiled_uri": painted.mask_path} | TRAIN[sentence]
    for name in ("mask_tiled_uri", "data_tiled_uri"):
        if fields.get(name):
            fields[name] = lab.uri(fields[name])
    said = refused(lab, capsys, "train", lab.params(painted.image_path, **fields))
    assert said.startswith(sentence)
    assert not (lab.folder / "models" / "refused").exists()


INFERENCE = {
    "io_parameters.uid_retrieve: missing": {"uid_retrieve": None},
    "io_parameters.uid_retrieve: model none: there is none": {"uid_retrieve": "none"},
    "io_parameters.uid_retrieve: '../x' is no name": {"uid_retrieve": "../x"},
    "io_parameters.uid_retrieve: model model-random-forest was trained by random-forest": {
        "uid_retrieve": "model-random-forest"
    },
    "io_parameters.seg_tiled_uri: missing": {"seg_tiled_uri": None},
    "io_parameters.seg_tiled_api_key: missing": {"seg_tiled_api_key": None},
}


@pytest.mark.parametrize("sentence", INFERENCE)
def test_a_wrong_field_of_an_inference_is_refused(lab, painted, models, capsys, sentence):
    fields = {"uid_save": "refused", "uid_retrieve": models["gradient-boosting"]}
    params = lab.params(painted.image_path, **(fields | INFERENCE[sentence]))
    capsys.readouterr()
    assert refused(lab, capsys, "inference", params).startswith(sentence)
    assert lab.status("refused") is None


def test_a_result_of_another_job_is_not_overwritten(lab, painted, models, capsys):
    first = lab.params(painted.image_path, uid_save="mine", uid_retrieve=models["random-forest"])
    assert run("inference", "random-forest", first, "test") == 0
    before = lab.result("mine")
    second = lab.params(
        painted.image_path, uid_save="mine", uid_retrieve=models["gradient-boosting"]
    )
    capsys.readouterr()
    assert "/results/mine holds another result" in refused(lab, capsys, "inference", second)
    assert lab.status("mine") == "complete"
    np.testing.assert_array_equal(lab.result("mine"), before)
