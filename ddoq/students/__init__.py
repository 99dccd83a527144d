"""Students: networks that are trained on a synthetic set to measure its quality."""
