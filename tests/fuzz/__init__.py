"""Hostile input: generators, the oracle for answers, and the long run."""
