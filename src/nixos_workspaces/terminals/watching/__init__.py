"""Those who only watch terminals: the stream that they share, and their turns."""
