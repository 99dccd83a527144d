"""The evaluation of synthetic sets: rows, trainings, results, scores and comparisons."""
