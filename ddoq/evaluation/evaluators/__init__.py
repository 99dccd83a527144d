"""What turns a set into numbers: a protocol's `evaluator`. By default a network is trained."""
