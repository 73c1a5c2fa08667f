"""The client runner: cases in which a provider misbehaves, and what a client made of them.

`protocol` is what is said to a client, `drivers` how it is run, `cases` what is tried, `stage` one case on a
gateway of its own, `verdict` what was wrong, `runner` many cases at once, `command` the command line.
"""
