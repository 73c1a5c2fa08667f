"""Recordings as files: HAR written, read, and recognised by the catalog."""
