"""Does a connection hold what a hospital's connection must? Asked before going live.

A vendor's engineer runs it against the gateway, or against what stands in front of it.
The connection is known here by nothing but its address and the national field names
(docs/his/self-test.md).
"""
