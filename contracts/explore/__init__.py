"""Search for the provider behaviour that breaks a client.

`strategies` is what is drawn, `expect` what a client should make of it, `search` the run, `coverage` what was
met, `inside` a client in this process, `finding` what is told and kept, `pytest_function` the same for pytest.
"""
