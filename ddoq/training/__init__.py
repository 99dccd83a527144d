"""One training: its loop, its guard, its loss curve, and the state to go on from."""
