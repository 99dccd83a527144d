"""Files: how they are published as a whole, checked, and kept in a cache."""
