"""Load, change and save a drawing over HTTP, under the page's login."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask_login import current_user
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from tomobeam_common import logs
from tomobeam_common.tiled import TiledError, TiledUnavailable
from tomobeam_contracts.wire import explain
from tomobeam_webapp.annotate.mask import NothingToSave, save_mask
from tomobeam_webapp.annotate.model import Batch
from tomobeam_webapp.annotate.store import Drawings, StaleDrawing, UnknownClass
from tomobeam_webapp.context import Context

MAX_BATCH_BYTES = 16 << 20
log = logs.get(__name__)


def _refuse(status: int, sentence: str, **more: Any) -> tuple[Response, int]:
    return jsonify({"error": sentence, **more}), status


def blueprint(context: Context) -> Blueprint:
    """The routes below `/annotations/<image path>`."""
    routes = Blueprint("annotations", __name__, url_prefix="/annotations")
    drawings = Drawings(context.engine)

    @routes.get("/<path:image>")
    def load(image: str) -> Response:
        drawing = drawings.load(current_user.id, image)
        body = drawing.model_dump(mode="json", exclude_none=True)
        mask = drawings.saved_mask(current_user.id, image)
        answer = jsonify({**body, "user": current_user.id, "mask": mask})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @routes.post("/<path:image>")
    def change(image: str) -> Any:
        if (request.content_length or 0) > MAX_BATCH_BYTES:
            return _refuse(413, "That is too much at once to save: draw in smaller steps.")
        try:
            batch = Batch.model_validate_json(request.get_data())
            return jsonify({"version": drawings.apply(current_user.id, image, batch)})
        except ValidationError as error:
            return _refuse(400, explain(error, "annotations"))
        except StaleDrawing as error:
            return _refuse(409, str(error), version=error.version)
        except UnknownClass as error:
            return _refuse(422, str(error))

    @routes.post("/<path:image>/save-mask")
    def save(image: str) -> Any:
        drawing = drawings.load(current_user.id, image)
        asked = request.get_json(silent=True) or {}
        if asked.get("version") != drawing.version:
            return _refuse(409, str(StaleDrawing(drawing.version)), version=drawing.version)
        try:
            saved = save_mask(context.tiled, current_user.id, image, drawing)
        except NothingToSave as error:
            return _refuse(422, str(error))
        except TiledUnavailable as error:
            log.warning("mask not saved", image=image, error=str(error))
            return _refuse(503, "The image store (Tiled) does not answer; the mask is not saved.")
        except TiledError as error:
            log.error("mask refused", image=image, error=str(error))
            return _refuse(502, "The image store (Tiled) refused the mask. Tell an operator.")
        saved["drawing_version"] = drawing.version
        drawings.keep_saved_mask(current_user.id, image, saved)
        return jsonify(saved)

    @routes.errorhandler(OperationalError)
    def database_away(error: OperationalError) -> Any:
        log.error("database", error=str(error.orig))
        return _refuse(503, "The page's database does not answer; your work is kept in this tab.")

    return routes
