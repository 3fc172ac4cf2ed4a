"""The pilot district's first three months, made up from a seed and played for real."""
