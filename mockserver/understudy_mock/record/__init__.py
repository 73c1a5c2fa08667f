"""The recorder: it stands between a client and a provider and writes down what they say."""
