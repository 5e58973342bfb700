"""Measurements, each beside what one would use instead."""
