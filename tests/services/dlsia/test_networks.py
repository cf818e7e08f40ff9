"""MSDNet and TUNet, from strokes to a segmentation, on a real Tiled."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from tests.services.dlsia.conftest import begin, run
from tests.services.segmentation.jobs import kill, lines_until
from tests.support.specimens import mean_iou
from tomobeam_contracts.job import Progress
from tomobeam_contracts.tree import ResultMetadata, result_path
from tomobeam_dlsia.networks import NETWORKS

FEW = {"epochs": 6}
# Measured with the form's defaults: MSDNet 0.87, TUNet 0.88, in 12 s of a processor each.
GOOD = 0.8


def folder(lab, uid):
    return lab.folder / "models" / uid


def card(lab, uid):
    return json.loads((folder(lab, uid) / "model.json").read_text())


def metrics(lab, uid):
    with (folder(lab, uid) / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def infer(lab, algorithm, image_path, uid, **parameters):
    params = lab.params(image_path, parameters, uid_save=uid, uid_retrieve=f"model-{algorithm}")
    job = run("inference", algorithm, params)
    assert (job.code, job.err) == (0, "")
    return lab.result(uid)


@pytest.mark.parametrize("algorithm", NETWORKS.names)
def test_strokes_become_a_segmentation_within_a_minute(lab, small, trained, algorithm):
    job = trained(algorithm)
    assert (job.code, job.err) == (0, "")
    assert job.cpu_s < 60
    steps = [p for p in map(Progress.parse, job.out.splitlines()) if p]
    assert steps[-1].done == steps[-1].total
    assert [p.done for p in steps] == sorted(p.done for p in steps)
    rows = metrics(lab, f"model-{algorithm}")
    epochs = card(lab, f"model-{algorithm}")["parameters"]["epochs"]
    assert [row["epoch"] for row in rows] == list(range(1, epochs + 1))
    assert rows[-1]["train_loss"] < 0.3 * rows[0]["train_loss"]
    assert rows[-1]["heldout_iou"] > 0.7
    assert lab.key not in job.out

    found = infer(lab, algorithm, small.image_path, f"chain-{algorithm}")
    assert found.dtype == np.int8
    assert mean_iou(found, small.truth) > GOOD
    metadata = ResultMetadata.model_validate(
        lab.client.node(result_path(f"chain-{algorithm}")).metadata
    )
    assert metadata.status == "complete"
    assert metadata.algorithm == algorithm
    assert {"painted_pixels", "train_loss", "heldout_iou_mean", "heldout_f1_mean"} <= set(
        metadata.scores
    )


@pytest.mark.parametrize("algorithm", NETWORKS.names)
def test_a_slice_is_segmented_alike_whatever_stack_it_is_in(lab, small, trained, algorithm):
    """The intensity range is the training's, and of nothing that is in the stack now."""
    trained(algorithm)
    image = small.image.copy()
    image[3] = 1.4 * image[3] + 2e-4
    whole = infer(lab, algorithm, lab.put_image(image), f"whole-{algorithm}")
    alone = infer(lab, algorithm, lab.put_image(image[3:]), f"alone-{algorithm}")
    np.testing.assert_array_equal(alone[0], whole[3])
    # Which says something only because another range would have given something else.
    low, high = np.percentile(image[3], (0.5, 99.5))
    own = card(lab, f"model-{algorithm}")["intensity"]
    rescaled = (image[3:] - low) / (high - low) * (own["high"] - own["low"]) + own["low"]
    other = infer(lab, algorithm, lab.put_image(rescaled), f"other-{algorithm}")
    assert np.mean(other[0] != whole[3]) > 0.01


def test_a_killed_training_goes_on_after_its_last_epoch(lab, small):
    def params(uid):
        return lab.params(
            small.image_path, FEW, uid_save=uid, mask_tiled_uri=lab.uri(small.mask_path)
        )

    process = begin("train", "dlsia-tunet", params("killed"))
    lines_until(process, "epoch 2:")
    kill(process)
    assert not (folder(lab, "killed") / "model.json").exists()
    job = run("train", "dlsia-tunet", params("killed"))
    assert (job.code, job.err) == (0, "")
    going_on = next(line for line in job.out.splitlines() if line.startswith("going on after"))
    assert int(going_on.split()[3]) >= 2
    assert "epoch 1:" not in job.out

    assert run("train", "dlsia-tunet", params("undisturbed")).code == 0
    assert metrics(lab, "killed") == metrics(lab, "undisturbed")
    assert len(metrics(lab, "killed")) == FEW["epochs"]
    assert card(lab, "killed")["sha256"] == card(lab, "undisturbed")["sha256"]


def test_pixels_without_value_are_neither_learnt_nor_labelled(lab, small):
    image = small.image.copy()
    image[:, :16] = np.nan
    path = lab.put_image(image)
    mask = lab.put_mask(path, small.mask, {**small.metadata, "data_uri": lab.uri(path)})
    uid = "model-dlsia-msdnet-nan"
    params = lab.params(path, FEW, uid_save=uid, mask_tiled_uri=lab.uri(mask))
    job = run("train", "dlsia-msdnet", params)
    assert (job.code, job.err) == (0, "")
    learnt = int(np.sum(small.mask[:, 16:] >= 0))
    assert card(lab, uid)["scores"]["painted_pixels"] == learnt
    found = lab.params(path, uid_save="nan", uid_retrieve=uid)
    assert run("inference", "dlsia-msdnet", found).code == 0
    assert np.all(lab.result("nan")[:, :16] == -1)
    assert np.all(lab.result("nan")[:, 16:] >= 0)


def test_another_task_under_the_same_name_starts_anew(lab, small):
    def train(**parameters):
        params = lab.params(
            small.image_path,
            {"epochs": 2} | parameters,
            uid_save="reused",
            mask_tiled_uri=lab.uri(small.mask_path),
        )
        return run("train", "dlsia-msdnet", params)

    assert train().code == 0
    again = train()
    assert "going on after 2 of 2 epochs" in again.out
    assert "epoch 1:" not in again.out
    assert "epoch 1:" in train(seed=1).out


def test_a_gpu_that_is_not_there_is_refused(lab, small):
    params = lab.params(
        small.image_path,
        {"device": "cuda"},
        uid_save="refused",
        mask_tiled_uri=lab.uri(small.mask_path),
    )
    job = run("train", "dlsia-tunet", params)
    if job.code == 0:
        pytest.skip("this machine has a GPU")
    assert job.code == 2
    assert job.err == (
        "model_parameters.device: cuda is wanted, but PyTorch here is built for CPUs only;"
        " choose auto or cpu\n"
    )


def test_a_damaged_model_is_refused(lab, small, trained):
    trained("dlsia-msdnet")
    broken = folder(lab, "broken")
    broken.mkdir()
    path = broken / "network.pt"
    path.write_bytes(b"no weights")
    from tomobeam_segmentation.store import _sha256

    fields = card(lab, "model-dlsia-msdnet") | {"sha256": _sha256(path)}
    (broken / "model.json").write_text(json.dumps(fields))
    params = lab.params(small.image_path, uid_save="refused", uid_retrieve="broken")
    job = run("inference", "dlsia-msdnet", params)
    assert job.code == 2
    assert "model broken: " in job.err
    assert "does not hold the weights of this network" in job.err
    assert job.err.count("\n") == 1


def test_bands_change_nothing_beyond_rounding(in_environment):
    """The halo is as wide as a network sees, and bands begin where its cells do."""
    printed = in_environment("""
import numpy as np, torch
from tomobeam_dlsia.bands import as_input
from tomobeam_dlsia.model import NetworkModel
from tomobeam_dlsia.networks import NETWORKS
from tomobeam_dlsia.nets import build
from tomobeam_segmentation.registry import check_parameters

random = np.random.default_rng(0)
for algorithm, wanted in (
    ("dlsia-msdnet", {"num_layers": 9, "layer_width": 2}),
    ("dlsia-tunet", {"depth": 2}),
    ("dlsia-tunet", {"depth": 4, "base_channels": 4}),
):
    parameters = check_parameters(NETWORKS, algorithm, wanted)
    torch.manual_seed(0)
    net = build(parameters, 3)
    net.module.train()
    net.module(torch.from_numpy(random.normal(size=(4, 1, 64, 64)).astype(np.float32)))
    net.module.eval()
    model = NetworkModel(net, torch.device("cpu"))
    plane = as_input(random.random((403, 41), np.float32), net.grid)
    (_, whole), = model.of_input(plane)
    parts = list(model.of_input(plane, 2000))
    assert len(parts) > 5
    bands = np.concatenate([part for _, part in parts], axis=1)
    assert np.ptp(whole) > 0.05, np.ptp(whole)
    np.testing.assert_allclose(bands, whole, atol=1e-5)
    print(algorithm, net.halo)
""")
    assert len(printed.splitlines()) == 3
