"""HTTP: which operation a request is for, and how an answer reaches the wire. It decides nothing else."""
