"""Bytes in, bytes out: tokens, sealing, signing, Merkle log, checkpoints.

Imports nothing of ours, does no I/O, owns no clock and no randomness.
Verification raises; it never returns a bool.
"""
