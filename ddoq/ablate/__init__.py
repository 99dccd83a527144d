"""Which part of the method earns what? Solvers, shrinkages and weightings on the same latents."""

from ddoq.ablate.command import main as main
