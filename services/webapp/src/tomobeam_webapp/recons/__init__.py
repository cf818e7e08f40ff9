"""The list of reconstructions and the choice of one."""
