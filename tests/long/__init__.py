"""Random lanes that `make test-long` runs for as long as it is told.

A lane is a function in a file of its own here and one row of `tests/long/lanes.py`. One round draws everything from the
`Random` it gets, asserts, leaves nothing behind, takes well under a minute, and gives the counts of what it did.
"""
