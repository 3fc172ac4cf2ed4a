"""The edge: HTTP, configuration, wiring, commands and pages.

Knows everybody; nobody knows it.
"""
