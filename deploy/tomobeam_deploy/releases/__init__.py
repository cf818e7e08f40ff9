"""Finished environments for hosts without a way out.

The controller installs a service with all that it needs from uv.lock, once, compiles it, makes it
forget the machine that made it, and packs it under a name that says what went in. Hosts unpack it;
they need Debian's Python and nothing else.

    from tomobeam_deploy import releases

    release = releases.ensure_release("tiled", ("tomobeam-tiled",))
    # on the host, as root: the first reads the archive from its standard input
    for script in (releases.unpack_script(release), releases.switch_script(release)): ...

Measured on 2 cores that others kept busy (load 4 to 7); MB; seconds, and in brackets those of a
processor where they differ; unpacking includes bringing all to the disk:

    release         build     plain  gzip -1        gzip -6        unpack plain, -1, -6
    broker           8 (5)       94   32 in  2 (1)   28 in  5 (3)    1   3   3
    tiled           68 (33)    1214  404 in 15       358 in 47      11  21  20
    ingester        11 (7)      169   55 in  3 (2)   48 in  7 (6)    3   5   5
    prefect-server  46 (20)     286   93 in  4 (3)   81 in 12 (9)   13  20  29
    worker          53 (29)     675  239 in  9       211 in 27      14  20  25
    webapp          22          693  235 in 16 (8)  207 in 66 (24)  16  24  18
    reconstruction  12 (15)     682  252 in  9      226 in 26        5  11  10

Most of a build is compiling; installing takes 1 or 2 s. The archive is not compressed: over SSH to
this machine Tiled's was sent and unpacked in 14 and 16 s, by gzip -1 in 20 and 27 s. By arithmetic,
a line of 1 Gbit/s sends it in 10 s, which unpacking hides, and all seven in 30 s instead of 10 s.
`release_of` takes 0.2 to 0.4 s for all seven.

Folders of tests are a tenth of the size, and stay: some packages import theirs.
"""

from tomobeam_deploy.releases.build import ensure_release
from tomobeam_deploy.releases.host import (
    back_script,
    prune_script,
    pruned_script,
    switch_script,
    unpack_script,
)
from tomobeam_deploy.releases.release import Release, ReleaseError, release_of
from tomobeam_deploy.releases.stamp import Stamp, tree_stamp

__all__ = [
    "Release",
    "ReleaseError",
    "Stamp",
    "back_script",
    "ensure_release",
    "prune_script",
    "pruned_script",
    "release_of",
    "switch_script",
    "tree_stamp",
    "unpack_script",
]
