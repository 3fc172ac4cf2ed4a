"""What a load test needs of us: a sandbox to hit, and the kit started on it.

The kit itself (`loadtests/`) knows nothing of this package: it gets a file that names
hospitals' keys, cards and commands, and an address.
"""
