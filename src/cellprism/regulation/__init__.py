"""Does the model know what regulates what? What features do when a gene is perturbed, and on whose targets."""
