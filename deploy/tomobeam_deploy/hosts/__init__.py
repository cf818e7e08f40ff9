"""What a host of a site shall be, how it is compared with what it is, and how it becomes so.

A role (`roles/<role>/deploy.py`) names *resources*: packages, accounts, files, units, addresses
that answer. One program on the host (`tomobeam_deploy.on_host`) compares all of them in one go;
only what differs is sent and put right. pyinfra brings the connection, the order and the failures.
"""
