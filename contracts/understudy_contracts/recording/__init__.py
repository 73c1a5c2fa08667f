"""Hold recorded traffic against the documentation: where it differs, how long jobs took, what spec says so.

`contract` reads what is documented, `drift` finds what differs, `patch` writes the change to the specs that
would accept it, `times` measures jobs. All are pure; `command` reads the files and tells.
"""
