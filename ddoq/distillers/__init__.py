"""From real images to a synthetic set: the method, and the baselines beside it."""

DISTILLERS = {
    "ddoq": "ddoq.distillers.ddoq:DDOQ",
    "random": "ddoq.distillers.random:Random",
    "full": "ddoq.distillers.full:Full",
}

WEIGHTINGS = {
    "uniform": "ddoq.distillers.weighting:uniform",
    "mass": "ddoq.distillers.weighting:mass",
    "root": "ddoq.distillers.weighting:root",
    "root_raw": "ddoq.distillers.weighting:root_raw",
}
