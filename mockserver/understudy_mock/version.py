"""The version of Understudy, which the wheel, the banner and the files that it writes bear."""

__version__ = "0.1.0"
