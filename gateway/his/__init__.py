"""The envelope that hospital systems already speak: a thin room at the edge.

It translates numbered transactions of the national interface (定点医药机构接口规范)
into the use cases of version 1 and back, and holds no rule of money. Field names are
the national ones, misspellings included; docs/his/ describes every transaction.
"""
