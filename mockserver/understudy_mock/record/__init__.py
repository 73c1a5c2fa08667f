"""The recorder: it stands between a client and a provider and writes down what both send.

Words of this room:
recorder run   one run into one file, from its lock to its summary
recorder       the ASGI app that forwards each call
writer         what takes keys out of an exchange and appends it to the file
upstream       where a provider's calls go: its real API, or what the user gave
"""
