"""What a rank is worth, what the lists show, and how sure we may be of either."""
