"""What a classifier knows of a pixel: filters of its slice at several scales.

The filters are those of Trainable Weka Segmentation (Arganda-Carreras et al., Bioinformatics 33,
2017, doi:10.1093/bioinformatics/btx180) and ilastik (Berg et al., Nature Methods 16, 2019,
doi:10.1038/s41592-019-0582-9), in two dimensions. Every derivative is a central difference of
the Gaussian-smoothed slice: exact on quadratics, and one smoothing serves all of a scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from pydantic import Field, model_validator

from tomobeam_contracts.wire import Wire

Plane = np.ndarray[Any, np.dtype[np.float32]]

BAND_PIXELS = 1 << 19
TRUNCATE = 3.0
_BORDER = cv2.BORDER_REFLECT_101
_HERE = np.array([1.0], np.float32)
_SLOPE = np.array([-0.5, 0.0, 0.5], np.float32)
_CURVE = np.array([1.0, -2.0, 1.0], np.float32)


class FeatureSettings(Wire):
    """Which filters, at which scales."""

    sigmas: tuple[float, ...] = Field(min_length=1, description="Gaussian scales, pixels")
    edges: bool = Field(description="gradient magnitude and Laplacian")
    texture: bool = Field(description="eigenvalues of the structure tensor")
    shape: bool = Field(description="eigenvalues of the Hessian")

    @model_validator(mode="after")
    def _positive(self) -> FeatureSettings:
        if min(self.sigmas) <= 0:
            raise ValueError("sigmas must be positive")
        return self

    @property
    def names(self) -> list[str]:
        """The name of each feature, in the order of `compute`."""
        kinds = ["smoothed"]
        kinds += ["gradient magnitude", "Laplacian"] if self.edges else []
        kinds += ["structure tensor 1", "structure tensor 2"] if self.texture else []
        kinds += ["Hessian 1", "Hessian 2"] if self.shape else []
        return ["intensity"] + [f"{kind} σ={s:g}" for s in self.sigmas for kind in kinds]

    @property
    def halo(self) -> int:
        """How many pixels away a pixel still counts."""
        return 2 * _radius(max(self.sigmas)) + 1


def doubling_scales(smallest: float, largest: float) -> tuple[float, ...]:
    """Scales from `smallest` up to `largest`, each twice the one before."""
    steps = math.floor(math.log2(largest / smallest) + 1e-9)
    return tuple(smallest * 2.0**step for step in range(steps + 1))


def feature_settings(parameters: dict[str, Any]) -> FeatureSettings:
    """The filters that the parameters ask for."""
    return FeatureSettings(
        sigmas=doubling_scales(parameters["sigma_min"], parameters["sigma_max"]),
        edges=parameters["use_edges"],
        texture=parameters["use_texture"],
        shape=parameters["use_shape"],
    )


def compute(plane: Plane, settings: FeatureSettings) -> Plane:
    """All features of `plane`, float32 (H, W), as float32 (features, H, W).

    Eigenvalues come larger first. The image is mirrored at its border. No value may be NaN.
    """
    found = np.empty((len(settings.names), *plane.shape), np.float32)
    found[0] = plane
    planes = iter(found[1:])
    for sigma in settings.sigmas:
        smooth = _smooth(plane, sigma)
        next(planes)[:] = smooth
        slopes = _filter(smooth, _SLOPE, _HERE), _filter(smooth, _HERE, _SLOPE)
        curves = _filter(smooth, _CURVE, _HERE), _filter(smooth, _HERE, _CURVE)
        if settings.edges:
            next(planes)[:] = cv2.magnitude(slopes[0], slopes[1])
            np.add(*curves, out=next(planes))
        if settings.texture:
            y, x = slopes
            tensor = (_smooth(product, sigma) for product in (y * y, y * x, x * x))
            _eigenvalues(*tensor, larger=next(planes), smaller=next(planes))
        if settings.shape:
            mixed = _filter(smooth, _SLOPE, _SLOPE)
            _eigenvalues(curves[0], mixed, curves[1], larger=next(planes), smaller=next(planes))
    return found


def bands(
    plane: Plane, settings: FeatureSettings, band_pixels: int = BAND_PIXELS
) -> Iterator[tuple[slice, Plane]]:
    """The features of `plane` band by band, so that memory does not grow with the slice.

    Yields the band's rows and its features, float32 (features, rows, W). A row's features do
    not depend on the band beyond rounding, and the bands only on the shape: equal input gives
    equal bits.
    """
    for rows in band_rows(plane.shape, band_pixels):
        yield rows, band(plane, rows, settings)


def band_rows(shape: tuple[int, ...], band_pixels: int = BAND_PIXELS) -> list[slice]:
    """The rows of each band of a slice of that shape."""
    height, width = shape
    step = max(1, band_pixels // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def band(plane: Plane, rows: slice, settings: FeatureSettings) -> Plane:
    """The features of the rows `rows` of `plane`, float32 (features, rows, W)."""
    top = max(0, rows.start - settings.halo)
    bottom = min(plane.shape[0], rows.stop + settings.halo)
    found = compute(plane[top:bottom], settings)
    return found[:, rows.start - top : rows.stop - top]


def _eigenvalues(yy: Plane, yx: Plane, xx: Plane, *, larger: Plane, smaller: Plane) -> None:
    middle = (yy + xx) * 0.5
    spread = cv2.magnitude((yy - xx) * 0.5, yx)
    np.add(middle, spread, out=larger)
    np.subtract(middle, spread, out=smaller)


def _radius(sigma: float) -> int:
    return max(1, math.ceil(TRUNCATE * sigma))


def _smooth(plane: Plane, sigma: float) -> Plane:
    size = 2 * _radius(sigma) + 1
    return cv2.GaussianBlur(plane, (size, size), sigma, borderType=_BORDER)  # type: ignore[return-value]


def _filter(plane: Plane, along_y: Plane, along_x: Plane) -> Plane:
    return cv2.sepFilter2D(plane, cv2.CV_32F, along_x, along_y, borderType=_BORDER)  # type: ignore[return-value]
