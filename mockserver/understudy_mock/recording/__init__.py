"""HAR in and out. Nothing here holds a key: what leaves the process is redacted first."""
