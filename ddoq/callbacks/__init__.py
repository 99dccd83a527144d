"""Lightning callbacks that observe: cross-architecture evaluation and the finite guard."""
