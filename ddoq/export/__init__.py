"""Sets taken away: files in formats of others, a card and a script, to be used without ddoq."""
