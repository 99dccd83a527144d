"""Networks that are trained on a synthetic set to find out what it is worth."""

STUDENTS = {
    "convnet": "ddoq.students.convnet:ConvNet",
    "timm/*": "ddoq.students.timm:timm_student",
}
