"""MSDNet and TUNet, built by DLSIA, with what one has to know to feed them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn

# DLSIA's networks import its helpers for demonstrations of themselves alone, and these torchvision
# and matplotlib, of which torchvision has to match PyTorch's build to the letter.
sys.modules.setdefault("dlsia.core.helpers", ModuleType("dlsia.core.helpers"))

from dlsia.core.networks.msdnet import MixedScaleDenseNetwork  # noqa: E402
from dlsia.core.networks.tunet import TUNet  # noqa: E402


@dataclass(frozen=True)
class Net:
    """A network from float32 (n, 1, H, W) to logits (n, classes, H, W)."""

    module: nn.Module
    grid: int
    """H and W must be multiples of this"""
    halo: int
    """so many pixels away a pixel may still count; a multiple of `grid`"""


def build(parameters: dict[str, Any], classes: int) -> Net:
    """The untrained network that the parameters of a form describe."""
    return _tunet(parameters, classes) if "depth" in parameters else _msdnet(parameters, classes)


def _msdnet(parameters: dict[str, Any], classes: int) -> Net:
    """The mixed-scale dense network (Pelt and Sethian 2018, doi:10.1073/pnas.1715832114)."""
    layers, width = parameters["num_layers"], parameters["layer_width"]
    dilation = parameters["max_dilation"]
    module = MixedScaleDenseNetwork(
        in_channels=1,
        out_channels=classes,
        num_layers=layers,
        layer_width=width,
        max_dilation=dilation,
    )
    # As DLSIA cycles through the dilations; the longest way leads through each layer's largest.
    cycle = [n % dilation + 1 for n in range(layers * width)]
    halo = sum(max(cycle[n : n + width]) for n in range(0, len(cycle), width))
    return Net(module, grid=1, halo=halo)


def _tunet(parameters: dict[str, Any], classes: int) -> Net:
    """The tunable U-Net (Ronneberger 2015; Roberts 2024, doi:10.1107/S1600576724001390)."""
    depth = parameters["depth"]
    grid = 2 ** (depth - 1)
    module = TUNet(
        # Of sizes it asks only what is left over when halved: nothing, on multiples of `grid`.
        image_shape=(grid, grid),
        in_channels=1,
        out_channels=classes,
        depth=depth,
        base_channels=parameters["base_channels"],
        growth_rate=parameters["growth_rate"],
    )
    # Two convolutions of 3 on the way down and two on the way up, and the pooling's cells.
    halo = sum(5 * 2**level for level in range(depth))
    return Net(module, grid=grid, halo=math.ceil(halo / grid) * grid)
