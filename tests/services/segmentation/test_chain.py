from __future__ import annotations

import numpy as np
import pytest

from tests.services.segmentation.jobs import PAINTED, finish, run, start
from tests.support.specimens import mean_iou
from tomobeam_contracts.destinations import PROBABILITY
from tomobeam_contracts.job import Progress
from tomobeam_contracts.tree import ResultMetadata, result_path

ALGORITHMS = ("random-forest", "gradient-boosting")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_strokes_become_a_segmentation(lab, painted, algorithm):
    """Both steps as the worker starts them: commands with a params.yaml."""
    mask_uri = lab.uri(painted.mask_path)
    uid = f"chain-{algorithm}"
    code, out, err = finish(
        start(
            "train",
            algorithm,
            lab.params(painted.image_path, uid_save=f"{uid}-t", mask_tiled_uri=mask_uri),
        )
    )
    assert (code, err) == (0, "")
    steps = [p for p in map(Progress.parse, out.splitlines()) if p]
    assert steps[-1].done == steps[-1].total
    assert [p.done for p in steps] == sorted(p.done for p in steps)

    params = lab.params(painted.image_path, uid_save=uid, uid_retrieve=f"{uid}-t")
    code, out, err = finish(start("inference", algorithm, params))
    assert (code, err) == (0, "")
    steps = [p for p in map(Progress.parse, out.splitlines()) if p]
    assert [str(p) for p in steps] == [f"progress {k}/4 slices segmented" for k in (1, 2, 3, 4)]

    found = lab.result(uid)
    assert found.dtype == np.int8
    assert found.shape == painted.image.shape
    assert mean_iou(found, painted.truth) > 0.8
    node = lab.client.node(result_path(uid))
    assert node is not None
    metadata = ResultMetadata.model_validate(node.metadata)
    assert metadata.status == "complete"
    assert metadata.data_uri == lab.uri(painted.image_path)
    assert metadata.mask_idx is None
    assert metadata.model == f"{uid}-t"
    assert metadata.classes is not None
    assert [c.name for c in metadata.classes] == ["pore", "grain", "fibre"]
    assert metadata.scores["heldout_f1_mean"] > 0.8
    assert lab.client.node(f"{result_path(uid)}/{PROBABILITY}") is None
    array = lab.client.node(f"{result_path(uid)}/seg_result", data_sources=True)
    assert array is not None
    assert array.data_sources[0]["structure"]["chunks"] == [[1] * 4, [128], [128]]
    assert lab.key not in out


def test_only_the_annotated_slices_with_probability(lab, painted, models):
    params = lab.params(
        painted.image_path,
        {"save_probability": True},
        uid_save="some",
        uid_retrieve=models["gradient-boosting"],
        mask_tiled_uri=lab.uri(painted.mask_path),
    )
    assert run("inference", "gradient-boosting", params, "test") == 0
    whole = lab.params(
        painted.image_path, uid_save="whole", uid_retrieve=models["gradient-boosting"]
    )
    assert run("inference", "gradient-boosting", whole, "test") == 0
    found = lab.result("some")
    np.testing.assert_array_equal(found, lab.result("whole")[PAINTED])
    assert lab.client.node(result_path("some")).metadata["mask_idx"] == PAINTED
    share = lab.result("some", PROBABILITY)
    assert share.dtype == np.uint8
    assert share.shape == (2, 3, *painted.image.shape[1:])
    assert np.mean(share.argmax(axis=1) == found) > 0.999


def test_another_image_is_segmented_with_the_same_model(lab, painted, models):
    other = lab.put_image(painted.image[1:3])
    params = lab.params(other, uid_save="other", uid_retrieve=models["random-forest"])
    assert run("inference", "random-forest", params, "test") == 0
    same = lab.params(painted.image_path, uid_save="same", uid_retrieve=models["random-forest"])
    assert run("inference", "random-forest", same, "test") == 0
    np.testing.assert_array_equal(lab.result("other"), lab.result("same")[1:3])


def test_the_mask_of_an_older_page_is_understood(lab, painted):
    """Its classes carry no name, its image_shape no z, its slices come in any order."""
    metadata = {
        **painted.metadata,
        "classes": [{"class_id": "1", "label": "x"}, 2, "three"],
        "image_shape": list(painted.image.shape[1:]),
        "mask_idx": PAINTED[::-1],
    }
    older = lab.put_mask(painted.image_path, painted.mask[::-1], metadata)
    params = lab.params(painted.image_path, uid_save="older", mask_tiled_uri=lab.uri(older))
    assert run("train", "gradient-boosting", params, "test") == 0
    assert (
        run(
            "inference",
            "gradient-boosting",
            lab.params(
                painted.image_path,
                uid_save="older-i",
                uid_retrieve="older",
                mask_tiled_uri=lab.uri(older),
            ),
            "test",
        )
        == 0
    )
    assert lab.client.node(result_path("older-i")).metadata["mask_idx"] == PAINTED
    assert mean_iou(lab.result("older-i"), painted.truth[PAINTED]) > 0.8


def test_pixels_without_value_are_neither_learnt_nor_labelled(lab, painted, capsys):
    image = painted.image.copy()
    image[:, :40] = np.nan
    path = lab.put_image(image)
    metadata = {**painted.metadata, "data_uri": lab.uri(path)}
    mask = lab.put_mask(path, painted.mask, metadata)
    params = lab.params(path, uid_save="holes", mask_tiled_uri=lab.uri(mask))
    assert run("train", "gradient-boosting", params, "test") == 0
    assert "painted pixels have no value (NaN): left out" in capsys.readouterr().out
    params = lab.params(path, uid_save="holes-i", uid_retrieve="holes")
    assert run("inference", "gradient-boosting", params, "test") == 0
    found = lab.result("holes-i")
    assert np.all(found[:, :40] == -1)
    assert np.all(found[:, 40:] >= 0)
    assert mean_iou(found[:, 40:], painted.truth[:, 40:]) > 0.75


def test_the_same_seed_gives_the_same_model_file(lab, painted, models):
    params = lab.params(
        painted.image_path, uid_save="again", mask_tiled_uri=lab.uri(painted.mask_path)
    )
    assert run("train", "gradient-boosting", params, "test") == 0
    first, second = (
        (lab.folder / "models" / uid / "boosting.ubj").read_bytes()
        for uid in ("again", models["gradient-boosting"])
    )
    assert first == second
