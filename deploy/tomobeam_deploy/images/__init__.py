"""Images of the services: the same finished environments as on hosts, on one Debian.

`base` makes a Debian where no registry is reachable, `model` says what an image is made from,
`build` builds what changed. Nothing is fetched but Debian's packages, and the base.
"""
