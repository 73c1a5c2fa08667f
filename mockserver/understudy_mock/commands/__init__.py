"""The gateway's own commands, one module each. Nothing here decides what is answered."""
