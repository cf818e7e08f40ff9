"""As those of the lab's own inventory."""

from tomobeam_deploy.lab.model import INVENTORY
from tomobeam_deploy.site.connection import connection_settings

ssh_user, ssh_key, ssh_known_hosts_file, ssh_strict_host_key_checking = (
    connection_settings(INVENTORY)[name]
    for name in ("ssh_user", "ssh_key", "ssh_known_hosts_file", "ssh_strict_host_key_checking")
)
