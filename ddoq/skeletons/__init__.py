"""Starting points for components of one's own, which `ddoq new` copies. Each runs as it is."""
