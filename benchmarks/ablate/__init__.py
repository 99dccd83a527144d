"""Which part of the method earns what? Solvers, shrinkages and weightings on the same latents."""
