"""How the lab's hosts are reached; `make lab` makes the keys."""

from tomobeam_deploy.lab.model import LAB
from tomobeam_deploy.lab.state import KEY, KNOWN_HOSTS

ssh_user = LAB.user
ssh_key = str(KEY)
ssh_known_hosts_file = str(KNOWN_HOSTS)
ssh_strict_host_key_checking = "yes"
