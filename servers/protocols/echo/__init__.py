"""Echo over a byte stream: what was sent comes back."""
