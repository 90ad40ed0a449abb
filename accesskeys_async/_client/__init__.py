"""What the client is made of."""
