"""Images and masks in a real Tiled, and jobs run on them as the worker runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from tests.support.specimens import CLASSES, strokes, textured_stack
from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.destinations import MASK, RECONS, RESULTS, SEG_RESULT
from tomobeam_contracts.job import JobFile, JobIoParameters
from tomobeam_contracts.tree import (
    MaskClass,
    MaskMetadata,
    annotation_digest,
    mask_path,
    metadata_uri,
    recon_path,
    result_path,
)
from tomobeam_segmentation import job
from tomobeam_segmentation.pixels import PIXELS

run = partial(job.run, PIXELS)
Array = np.ndarray[Any, Any]
SEGMENT = Path(sys.executable).with_name("tomobeam-segment")
FEW = {"n_estimators": 20, "sigma_max": 4.0, "n_jobs": 2}
PAINTED = [0, 2]


@dataclass
class Lab:
    """One Tiled with the job's key, and a folder for models."""

    url: str
    key: str
    folder: Path
    parameters: dict[str, Any] = field(default_factory=lambda: dict(FEW))
    """of the algorithms, where a test says nothing"""
    client: TiledClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = TiledClient(self.url, SecretStr(self.key))
        (self.folder / "models").mkdir(exist_ok=True)

    def put_array(self, path: str, array: Array) -> None:
        """Write `array` in planes."""
        chunks = [(1,) * array.shape[0], *[(n,) for n in array.shape[1:]]]
        self.client.create_array(path, array.shape, array.dtype, chunks)
        for k, plane in enumerate(array):
            self.client.write_block(path, (k, *[0] * plane.ndim), plane)

    def put_image(self, image: Array) -> str:
        """Store an image; returns its tree path."""
        path = recon_path(f"scan-{uuid.uuid4().hex[:8]}")
        self.client.ensure_container(RECONS)
        self.put_array(path, image)
        return path

    def put_mask(self, image_path: str, mask: Array, metadata: dict[str, Any]) -> str:
        """Store a mask with that metadata; returns the tree path of its container."""
        path = mask_path("alice", image_path, uuid.uuid4().hex)
        parent, _, _ = path.rpartition("/")
        self.client.ensure_container(parent)
        self.client.create_container(path, metadata)
        self.put_array(f"{path}/{MASK}", mask)
        return path

    def uri(self, path: str) -> str:
        """The metadata URI of `path`."""
        return metadata_uri(self.url, path)

    def params(self, image_path: str, model_parameters: Any = None, **io: Any) -> Path:
        """Write a params.yaml; an io field given as None is left out."""
        fields: dict[str, Any] = {
            "data_tiled_uri": self.uri(image_path),
            "data_tiled_api_key": self.key,
            "mask_tiled_api_key": self.key,
            "seg_tiled_uri": self.uri(RESULTS),
            "seg_tiled_api_key": self.key,
            "models_dir": self.folder / "models",
            "job_name": "trial",
            **io,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        file = JobFile(
            io_parameters=JobIoParameters(**given),
            model_parameters=self.parameters | (model_parameters or {}),
        )
        path = self.folder / f"{uuid.uuid4().hex}.yaml"
        path.touch(mode=0o600)
        path.write_text(file.to_yaml())
        return path

    def result(self, uid: str, name: str = SEG_RESULT) -> Array:
        """An array of a result."""
        node = self.client.node(f"{result_path(uid)}/{name}")
        assert node is not None
        return self.client.read(node)

    def status(self, uid: str) -> str | None:
        """What a result says of itself; None where there is none."""
        node = self.client.node(result_path(uid))
        return None if node is None else node.metadata["status"]


@dataclass
class Painted:
    """An image with its truth and its mask, all in Tiled."""

    image: Array
    truth: Array
    mask: Array
    image_path: str
    mask_path: str
    metadata: dict[str, Any]


def paint(lab: Lab, slices: int = 4, size: int = 128) -> Painted:
    """Put a specimen and its strokes into Tiled."""
    image, truth = textured_stack(slices, size)
    image_path = lab.put_image(image)
    classes = [MaskClass(name=name, color="#ff0000") for name in CLASSES]
    metadata = MaskMetadata(
        project_name=image_path,
        data_uri=lab.uri(image_path),
        image_shape=image.shape,
        mask_idx=PAINTED,
        classes=classes,
        annotations={"digest": annotation_digest({}, classes)},
    ).to_wire()
    mask = np.stack([strokes(truth[z], 8, seed=z) for z in PAINTED])
    return Painted(
        image, truth, mask, image_path, lab.put_mask(image_path, mask, metadata), metadata
    )


def start(
    step: str, algorithm: str, params: Path, *, command: Path = SEGMENT, **environment: str
) -> subprocess.Popen[str]:
    """Start a job as a process of its own."""
    return subprocess.Popen(
        [command, step, algorithm, params],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def lines_until(process: subprocess.Popen[str], beginning: str) -> list[str]:
    """The job's lines up to the first that begins so."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(beginning):
            return lines
    raise AssertionError(f"no line {beginning!r} in {lines}; {process.communicate()[1]}")


def finish(process: subprocess.Popen[str], timeout_s: float = 120) -> tuple[int, str, str]:
    """Exit code, the rest of its output, and its errors."""
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out, err


def kill(process: subprocess.Popen[str]) -> None:
    """End it as a power cut would."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
