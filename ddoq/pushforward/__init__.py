"""The push-forward, measured: how near synthetic images come to the real ones that they replace."""
