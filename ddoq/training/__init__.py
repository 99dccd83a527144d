"""One training: its loop, its guard, its loss curve, and the state to resume from."""
