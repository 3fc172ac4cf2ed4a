"""Repeat claims and their like: what has been claimed, and what staff must look at.

Pure: detectors are functions of claims and dated rules. The same claims in another
order give the same signals.
"""
