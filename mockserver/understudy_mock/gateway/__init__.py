"""The decisions, between the web and the domain. Read `submit` first.

`world` holds everything that changes; all else here takes it as an argument.
"""
