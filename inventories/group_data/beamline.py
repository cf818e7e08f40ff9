"""How you log in to the hosts of `inventories/beamline`."""

import os

# Your account on every host: not root, but a member of the group sudo.
ssh_user = "deploy"
# Your private key; leave the line out if an ssh-agent has it. Operators whose key is elsewhere set
# the variable.
ssh_key = os.environ.get("TOMOBEAM_SSH_KEY", "~/.ssh/id_ed25519")
# The host keys, which everybody who deploys has to agree on: keep the file in the repository. A key
# is added by `tomobeam-site trust`; one that is not in the file is refused.
ssh_known_hosts_file = os.environ.get(
    "TOMOBEAM_SSH_KNOWN_HOSTS", "inventories/known_hosts/beamline"
)
ssh_strict_host_key_checking = "yes"
