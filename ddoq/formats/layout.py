"""The names of files, columns and keys in every format, the same for reading and writing."""

# The columns of a table, the keys of a dict of tensors, and the entries of a WebDataset's sample.
# Arrays of images are `[n, channels, side, side]`: uint8, or floats where 0 is black and 1 white.
IMAGE, IMAGES = "image", "images"
LABEL, LABELS = "label", "labels"
WEIGHT, WEIGHTS = "weight", "weights"
SOFT_LABEL, SOFT_LABELS = "soft_label", "soft_labels"

# Beside the images of an ImageFolder: `file,weight`, where a file is named from the folder, as in
# `cat/00000.png`; and soft labels under the key SOFT_LABELS, in the order of
# that table's lines, with columns in the order of ABOUT_FILE's classes.
WEIGHTS_FILE = "weights.csv"
SOFT_LABELS_FILE = "soft_labels.safetensors"

# Beside any format, what no format can say: {"class_ids": [...], "class_names": [...],
# "mean": [...], "std": [...], "hints": {...}, "provenance": {...}}. Mean and standard deviation are
# those of the real training images' channels, to normalize with; no format holds normalized images.
ABOUT_FILE = "about.json"
