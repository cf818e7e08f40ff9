"""The canary as the controller sees it: which host runs which half, and who is at fault."""
