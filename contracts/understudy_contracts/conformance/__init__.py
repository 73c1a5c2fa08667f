"""The client runner: cases in which a provider misbehaves, and how a client copes with them.

`protocol` is the messages, `child` the process of a client, `drivers` how it is run, `cases` what is tried,
`expectation` what should come of it, `stage` one case on a gateway of its own, `verdict` what was wrong,
`runner` many cases at once, `command` the command line.
"""
