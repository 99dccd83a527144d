"""Frozen classifiers that label synthetic images."""

TEACHERS = {
    "trained": "ddoq.teachers.trained:trained_teacher",
    "timm/*": "ddoq.teachers.timm:timm_teacher",
    "torchvision/*": "ddoq.teachers.torchvision:torchvision_teacher",
}
