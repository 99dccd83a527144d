"""What a synthetic set is worth: rows, trainings, results, scores and comparisons."""
