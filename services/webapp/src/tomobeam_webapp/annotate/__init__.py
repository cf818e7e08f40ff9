"""Annotation: classes, shapes and strokes, kept on the server, saved to Tiled as masks."""

from __future__ import annotations

from tomobeam_webapp.annotate.panel import annotation_panel, register

__all__ = ["annotation_panel", "register"]
