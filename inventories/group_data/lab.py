"""How the lab's hosts are reached; `make lab` makes the keys, and the account."""

from tomobeam_deploy.lab.state import KEY, KNOWN_HOSTS

ssh_user = "deploy"
ssh_key = str(KEY)
ssh_known_hosts_file = str(KNOWN_HOSTS)
ssh_strict_host_key_checking = "yes"
