"""The words of a report that not everybody knows, each in one plain sentence or two."""

GLOSSARY = {
    "95 % interval (±)": (
        "If everything were repeated with other seeds, the true mean would lie in such a range 19 "
        "times out of 20 (Student t). It needs at least two seeds."
    ),
    "all images (full)": (
        "The same training on all training images: what the small set is meant to come near to. "
        "`same updates` means as many steps as for the set, `same epochs` as many rounds."
    ),
    "better, worse, no difference shown": (
        "Better or worse: the interval of the difference does not contain 0. No difference shown: "
        "it does, so chance explains it; more seeds may tell."
    ),
    "decoder": (
        "What turns a point back into an image. `plain`: the autoencoder alone. `nearest`: the real"
        " training image nearest to the point. `dit` and others: a diffusion model."
    ),
    "distortion": (
        "The mean squared distance from a class's latents to their nearest points. Held out: "
        "measured on latents that the points were not fitted to."
    ),
    "effective size, effective share": (
        "How many equally heavy points the masses amount to, and that number as a share of all "
        "points. A share of 1 means that all masses are equal."
    ),
    "Holm (p)": (
        "p is the probability of a difference at least as large if there were none in truth. Many "
        "comparisons find some small p by chance, so each is raised by Holm's correction."
    ),
    "images per class (ipc)": ("The size of the small set."),
    "in class": ("The share of images that the teacher puts in their class."),
    "KID, FID": (
        "Distances between the set's images and real ones as a network sees them; 0 is best."
    ),
    "latents": ("Images as the autoencoder encodes them: short lists of numbers."),
    "mass": ("The share of a class's latents that a point stands for."),
    "point": ("One of the few latents that stand for a class. Decoded, it becomes an image."),
    "points (pp)": ("Of a difference of accuracies: percentage points."),
    "precision, recall": (
        "The share of the set's images that lie among real ones, and of real ones that lie among "
        "the set's."
    ),
    "protocol": (
        "Everything about a training that must be equal for two numbers to be compared: steps, "
        "optimizer, augmentation, labels."
    ),
    "random": ("Random real training images, as many as the set has: what a set must beat."),
    "seed": (
        "The number that everything random begins with. Each seed draws a new set, new random "
        "images and a new network."
    ),
    "soft labels, hard labels": (
        "Soft: the teacher's probabilities for all classes. Hard: the class alone."
    ),
    "student, teacher": (
        "A network that is trained on the set and tested; a network, trained on all images, that "
        "gives soft labels."
    ),
    "top-1": "The share of test (or validation) images whose most likely class is the right one.",
    "W2": (
        "The Wasserstein-2 distance: how far the latents have to move, on the whole, to become the "
        "points (or images) with their masses. 0 means that both are the same."
    ),
    "weight, weighting": (
        "The factor of an image's loss in training: `uniform` for all alike, `mass` by mass, `root`"
        " by its square root."
    ),
}
