"""Repeat claims and their like: told at the desk, raised within a second after."""
