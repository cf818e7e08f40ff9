"""What the servers behind the page know, mirrored in its database.

One process at a time watches Tiled and Prefect; every process answers from the mirror, so that
a server that hangs never makes the page hang.
"""
