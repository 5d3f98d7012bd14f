"""What may pass: ``ready/``, ``review/`` and ``reports/``, the ledger, and the decisions of persons.

Every change here is on the disk, in a safe order, before anybody is told of it.
"""
