"""The contract between a provider and its clients, and the suites that hold either side to it."""
