"""Whole calls: the command in processes of its own, the library against the real suite."""
