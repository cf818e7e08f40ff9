"""pyinfra reads this before anything else: an inventory that is wrong ends here, exit code 1."""

from pyinfra import config

from tomobeam_deploy.hosts.preflight import check_command_line

config.SUDO = True
check_command_line()
