"""The pure heart: what a job, its timeline and its money are. No I/O and no event loop.

Nothing here knows HTTP, a web framework or a provider. The wall clock is read in `clock` alone.
"""
