"""Recordings of terminals: asciicast text in sealed files, written as the output comes."""
