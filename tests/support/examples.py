"""How many examples a property is tried with."""

from hypothesis import settings

dear = settings(max_examples=settings().max_examples // 5)
"""For those whose examples are lists of records, which take longer to make up than to try: a fifth of the others'."""
