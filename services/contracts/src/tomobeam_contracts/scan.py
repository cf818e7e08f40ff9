"""Wire 1: a reconstruction says over STOMP that a scan is ready."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tomobeam_contracts.wire import Wire


class ScanStatus(StrEnum):
    """What a producer says of the file: GDA's and DAWN's words, and our own COMPLETE."""

    STARTED = "STARTED"
    UPDATED = "UPDATED"
    FINISHED = "FINISHED"
    COMPLETE = "COMPLETE"

    @property
    def writing_has_ended(self) -> bool:
        """Whether the producer says that nothing more will be written."""
        return self in (ScanStatus.FINISHED, ScanStatus.COMPLETE)


class ScanReady(Wire):
    """DAWN's "open this file", with keys of ours that others ignore.

    Most producers send `filePath` alone, so the message is a hint that a file is there,
    not proof that writing has ended.
    """

    file_path: str = Field(
        alias="filePath",
        min_length=1,
        description="a *_processed.nxs, a stack's folder, a TIFF, HDF5 or Zarr, as the producer "
        "sees it; may start with //",
    )
    status: ScanStatus | None = Field(default=None, description="absent from most producers")
    scan: str | None = Field(default=None, description="the scan's name at the beamline")
    proposal: str | None = Field(default=None, description="the proposal or visit")
    image_count: int | None = Field(
        default=None, alias="imageCount", gt=0, description="slices in the finished stack"
    )
    producer: str | None = Field(default=None, description="program that wrote the files")
    pixel_size: float | None = Field(
        default=None, alias="pixelSize", gt=0, description="edge of a voxel, micrometres"
    )
