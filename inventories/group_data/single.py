"""How you log in to the host of `inventories/single`; group_data/beamline.py explains this."""

import os

ssh_user = "deploy"
ssh_key = os.environ.get("TOMOBEAM_SSH_KEY", "~/.ssh/id_ed25519")
ssh_known_hosts_file = os.environ.get("TOMOBEAM_SSH_KNOWN_HOSTS", "inventories/known_hosts/single")
ssh_strict_host_key_checking = "yes"
