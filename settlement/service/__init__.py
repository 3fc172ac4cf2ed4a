"""Use cases: each reads like the list of steps it takes."""
