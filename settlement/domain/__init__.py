"""The pure core: bills, eligibility, policy, adjudication.

No asyncio, SQL, HTTP, clock or randomness; money is integer fen, never a float.
"""
