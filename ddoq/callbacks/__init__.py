"""Lightning callbacks: what observes a training, stops it, or lets it go on later."""
