"""Load tests of a gateway from outside: HTTP alone, and nothing of ours imported."""
