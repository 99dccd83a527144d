"""Sets in the formats of others: read to be scored, written to be used without ddoq."""
