"""Recordings as files: HAR is written, read, and recognised by the catalog.

`read` makes a `Recording` of files; `source` loads their bytes, `shapes` are the parts of HAR, and `coding`
undoes what hides a body's text. `recognise` finds what an exchange was for, `view` what it says of a job, and
`stamps` its instants. `write` makes HAR of journal entries; `mend` is the layout of our own files.
"""
