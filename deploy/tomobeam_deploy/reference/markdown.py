"""How the pages look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tomobeam_deploy.site import Site


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Rows below their heads."""
    heads = list(heads)
    return "\n".join([_row(heads), "|---" * len(heads) + "|", *map(_row, rows)])


def page(site: Site, title: str, parts: Mapping[str, str]) -> str:
    """A page with a part for each host."""
    lines = [begin(site, title)]
    for host, part in parts.items():
        lines += ["", f"## {host} ({site.hosts[host].address})", "", part]
    return "\n".join([*lines, ""])


def begin(site: Site, title: str) -> str:
    """The head of a page, and whose it is."""
    return f"# {title}\n\nWritten by `tomobeam-site reference` from the inventory of `{site.name}`."


def code(text: str) -> str:
    """As it would be typed."""
    return f"`{text}`"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
