"""The witness: countersigns a log's checkpoints, so that a rewritten past is provable.

It is no part of a gateway and knows none of its data: it reads public checkpoints and
tiles, and keeps one folder of its own.
"""
