"""What people see while a program runs: the terminal, the log, a notebook."""
