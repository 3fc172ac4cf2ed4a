"""Hospitals' lists of settlements: files in, rows out; and tables on the way back.

What `HospitalList` reads is in `docs/formats/hospital-list.md`.
"""

from gateway.hospital_lists.limits import Limits
from gateway.hospital_lists.reading import HospitalList, ListFacts, ListForm

__all__ = ["HospitalList", "Limits", "ListFacts", "ListForm"]
