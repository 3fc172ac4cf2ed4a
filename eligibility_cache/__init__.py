"""Who is on the assistance roster: files, change feed, cache and look-ups.

Holds keyed tokens only: no card, identity number or name.
"""
