"""What a deploy puts on each host of a site, as pages: ports, users, files, secrets.

`asked` plans every role with stand-ins for secrets, so that a page says where each value goes
because it was found there; each other module writes one page from that.
"""
