"""Months brought to an end: opened, matched, worked off, closed by two officers."""
