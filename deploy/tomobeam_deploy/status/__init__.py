"""How a site is at a glance: one question to each host, one table, and what is not well.

`watch` says what to ask a host, from what its roles want active; `asking` asks all hosts side by
side; `reading` makes rows and faults of what one says; `table` shows them. `gather` is all of it.
"""
