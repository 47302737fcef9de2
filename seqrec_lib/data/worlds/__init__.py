"""Simulated worlds that are small enough for their best possible answer to be worked out."""
