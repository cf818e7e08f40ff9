"""Times and sizes in words."""

from __future__ import annotations

from datetime import datetime, timedelta


def when(moment: datetime | None, now: datetime | None = None) -> str:
    """`14:03`, `yesterday 14:03`, or `2026-11-21 14:03`, in the time zone of the server."""
    if moment is None:
        return "time unknown"
    local = moment.astimezone()
    today = (now or datetime.now().astimezone()).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def size(shape: tuple[int, int, int]) -> str:
    """`512 slices, 2160 × 2560`."""
    slices, height, width = shape
    return f"{count(slices, 'slice')}, {height} × {width}"


def count(number: int, thing: str) -> str:
    """`1 slice`, `2 slices`."""
    return f"{number} {thing}{'s' if number != 1 else ''}"


def took(start: datetime, end: datetime | None) -> str:
    """`12 s`, `3 min 5 s`, `2 h 10 min`; until now where it has not ended."""
    seconds = round(((end or datetime.now().astimezone()) - start).total_seconds())
    if seconds < 60:
        return f"{max(seconds, 0)} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
