"""A HIS and a national platform on loopback, and a bad line between HIS and gateway.

For vendors and for our own tests: a day of hospitals is played against a gateway that
is known here by nothing but its address and the national field names
(docs/his/simulator.md). Nothing of the gateway's own is imported but how an amount is
written.
"""
