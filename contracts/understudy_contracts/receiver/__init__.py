"""Check a receiver of callbacks: post it what a provider posts, and what it does not."""
