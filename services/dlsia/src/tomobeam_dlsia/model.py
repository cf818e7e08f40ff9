"""A trained network as a model that segments slices."""

from __future__ import annotations

import io
import pickle
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from tomobeam_dlsia.bands import BAND_PIXELS, as_input, band_rows
from tomobeam_dlsia.device import choose_device
from tomobeam_dlsia.nets import Net, build
from tomobeam_segmentation.classifiers import Array
from tomobeam_segmentation.features import Plane
from tomobeam_segmentation.store import ModelCard

# What PyTorch raises on a file that it did not write, or that is damaged.
BROKEN = (RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError)


@dataclass
class NetworkModel:
    """See `tomobeam_segmentation.algorithms.Model`."""

    net: Net
    device: torch.device
    # TUNet keeps what it skips on itself, for one slice at a time.
    _one: threading.Lock = field(default_factory=threading.Lock, repr=False)

    file_name: ClassVar[str] = "network.pt"

    @classmethod
    def load(cls, card: ModelCard, path: Path, parameters: dict[str, Any]) -> Self:
        """See `Algorithms.load`."""
        device = choose_device(parameters)
        try:
            net = build(card.parameters, len(card.labels))
            weights = torch.load(path, map_location="cpu", weights_only=True)
            net.module.load_state_dict(weights)
        except BROKEN as error:
            raise ValueError(f"{path} does not hold the weights of this network") from error
        net.module.to(device).eval()
        return cls(net, device)

    def save(self, path: Path) -> None:
        """See `tomobeam_segmentation.store.Kept`."""
        path.write_bytes(as_bytes(self.net.module.state_dict()))

    def probability(self, plane: Plane) -> Iterator[tuple[slice, Array]]:
        """See `Model.probability`."""
        height, width = plane.shape
        for rows, found in self.of_input(as_input(plane, self.net.grid)):
            stop = min(rows.stop, height)
            yield slice(rows.start, stop), found[:, : stop - rows.start, :width]

    def of_input(
        self, plane: Plane, band_pixels: int = BAND_PIXELS
    ) -> Iterator[tuple[slice, Array]]:
        """The same from what `as_input` gives; the bands change nothing beyond rounding."""
        for rows in band_rows(plane.shape, self.net.grid, band_pixels):
            top = max(0, rows.start - self.net.halo)
            bottom = min(plane.shape[0], rows.stop + self.net.halo)
            found = self._softmax(plane[top:bottom])
            yield rows, found[:, rows.start - top : rows.stop - top]

    def _softmax(self, plane: Plane) -> Array:
        batch = torch.from_numpy(np.ascontiguousarray(plane[None, None])).to(self.device)
        with self._one, torch.inference_mode():
            # The network ends in logits: this is the only softmax.
            return self.net.module(batch)[0].softmax(dim=0).cpu().numpy()


def as_bytes(content: Any) -> bytes:
    """What PyTorch would write into a file; a full disk then fails as it does elsewhere."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
