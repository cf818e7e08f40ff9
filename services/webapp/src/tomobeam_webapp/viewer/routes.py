"""Pixels over HTTP, under the page's login.

`/view/<image path>/@<version>/<z>/<level>/<x>,<y>,<width>,<height>.<encoding>`: the encoding
`u16` is raw little-endian, `jpg` is 8 bits of the window `?lo=…&hi=…` (in units of the view).
A version names one state of the image for ever, so that browsers keep what they have.
"""

from __future__ import annotations

import gzip
from typing import Any

import cv2
import numpy as np
from flask import Blueprint, Response, jsonify, request
from numpy.typing import NDArray

from tomobeam_common import logs
from tomobeam_common.tiled import TiledError, TiledNotFound, TiledUnavailable
from tomobeam_contracts.destinations import RECONS, RESULTS
from tomobeam_webapp.context import Context
from tomobeam_webapp.viewer.views import FULL, NoSuchImage, Views, describe

JPEG_QUALITY = 85
MAX_PIXELS = 36_000_000
KEEP = "private, max-age=86400, immutable"
LOOK_AGAIN = "private, max-age=20"
log = logs.get(__name__)


def blueprint(context: Context) -> Blueprint:
    """The routes below `/view/<image path>`."""
    routes = Blueprint("view", __name__, url_prefix="/view")
    settings = context.settings
    views = Views(context.tiled, settings.view_cache, int(settings.webapp_cache_gb * 1e9))

    @routes.get("/<path:image>/@<version>/info")
    def info(image: str, version: str) -> Response:
        answer = jsonify(describe(views.info(_below(RECONS, image), version)))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @routes.get(
        "/<path:image>/@<version>/<int:z>/<int:level>"
        "/<int:x>,<int:y>,<int:width>,<int:height>.<any(u16,jpg):encoding>"
    )
    def pixels(
        *,
        image: str,
        version: str,
        z: int,
        level: int,
        x: int,
        y: int,
        width: int,
        height: int,
        encoding: str,
    ) -> Any:
        if not 0 < width * height <= MAX_PIXELS:
            return _refuse(400, "That region is empty or too large.")
        image = _below(RECONS, image)
        region = views.region(image, version, z, level, (x, y, width, height))
        if not region.size:
            return _refuse(400, "That region lies outside the slice.")
        views.prefetch(image, version, z)
        answer = _encode(region, encoding)
        answer.headers["Cache-Control"] = KEEP
        answer.headers["X-Size"] = f"{region.shape[1]},{region.shape[0]}"
        return answer

    @routes.get("/<path:result>/@<version>/labels/<int:plane>")
    def labels(result: str, version: str, plane: int) -> Response:
        del version
        node = context.tiled.node(_below(RESULTS, result))
        if node is None or node.shape is None or len(node.shape) != 3:
            raise NoSuchImage(f"there is no result {result}")
        if plane >= node.shape[0]:
            raise NoSuchImage(f"{result} has no plane {plane}")
        # 0 is "nothing here", so that the canvas has one rule for drawing and results.
        shown = (context.tiled.read(node, (plane,)).astype(np.int16) + 1).astype(np.uint8)
        answer = Response(gzip.compress(shown.tobytes(), 1), mimetype="application/octet-stream")
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Cache-Control"] = LOOK_AGAIN
        answer.headers["X-Size"] = f"{shown.shape[1]},{shown.shape[0]}"
        return answer

    _answer_faults(routes)
    return routes


def _answer_faults(routes: Blueprint) -> None:
    @routes.errorhandler(NoSuchImage)
    @routes.errorhandler(TiledNotFound)
    def gone(error: Exception) -> Any:
        log.info("not found", error=str(error))
        return _refuse(404, "This image or slice is not in the store any more.")

    @routes.errorhandler(TiledUnavailable)
    def away(error: TiledUnavailable) -> Any:
        log.warning("no pixels", error=str(error))
        if "Internal Server Error" in str(error) or ": 500 " in str(error):
            return _refuse(503, "The image store cannot read this slice: its file may be damaged.")
        return _refuse(503, "The image store (Tiled) does not answer.")

    @routes.errorhandler(TiledError)
    def refused(error: TiledError) -> Any:
        log.error("no pixels", error=str(error))
        return _refuse(502, "The image store (Tiled) refused to give the image. Tell an operator.")


def _below(folder: str, path: str) -> str:
    """`path`, if it lies below the folder that a route serves.

    Raises:
        NoSuchImage: it does not.
    """
    clean = path.strip("/")
    if ".." in clean.split("/") or not clean.startswith(f"{folder}/"):
        raise NoSuchImage(f"{path} is not below {folder}")
    return clean


def _encode(region: NDArray[np.uint16], encoding: str) -> Response:
    if encoding == "u16":
        return Response(region.tobytes(), mimetype="application/octet-stream")
    bottom = np.uint16(min(max(request.args.get("lo", 0, int), 0), FULL))
    top = min(request.args.get("hi", FULL, int), FULL)
    # convertScaleAbs saturates at the upper end only.
    above = np.maximum(region, bottom) - bottom
    grey = cv2.convertScaleAbs(above, alpha=255.0 / max(top - int(bottom), 1))
    done, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"a view of {region.shape} cannot be encoded")
    return Response(data.tobytes(), mimetype="image/jpeg")


def _refuse(status: int, sentence: str) -> tuple[Response, int]:
    return jsonify({"error": sentence}), status
