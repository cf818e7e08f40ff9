"""The two components of ours, written by hand: their JavaScript lies in `assets/viewer`."""

from __future__ import annotations

from typing import Any, ClassVar

from dash.development.base_component import Component


class _Ours(Component):
    _children_props: ClassVar[list[str]] = []
    _base_nodes: ClassVar[list[str]] = ["children"]
    _namespace = "tomobeam_viewer"
    _valid_wildcard_attributes: ClassVar[list[str]] = []
    available_wildcard_properties: ClassVar[list[str]] = []

    def __init__(self, **props: Any) -> None:
        self.available_properties = self._prop_names
        super().__init__(**props)


class SliceView(_Ours):
    """The canvas with slice slider and window/level; `image` and `overlay` as in `ids`.

    `z` is written by the component: the slice on screen.
    """

    _type = "SliceView"
    _prop_names: ClassVar[list[str]] = ["id", "image", "overlay", "z"]


class AnnotationPanel(_Ours):
    """Classes, tools and shapes of the image on screen; writes `classes` and `mask`."""

    _type = "AnnotationPanel"
    _prop_names: ClassVar[list[str]] = ["id", "classes", "mask"]
