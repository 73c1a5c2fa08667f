"""A stand-in for hosted generative-media providers: their documented APIs, served locally, faults and all."""

__version__ = "0.1.0"
