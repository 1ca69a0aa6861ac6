"""Recordings of terminals, and the choices about them."""
