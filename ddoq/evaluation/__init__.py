"""What a synthetic set is worth: protocols, scores and comparisons."""

from ddoq.evaluation.protocols import PRESETS

PROTOCOLS = dict.fromkeys(PRESETS, "ddoq.evaluation.protocols:Protocol")
