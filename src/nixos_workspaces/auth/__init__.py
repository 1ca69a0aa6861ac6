"""Authorisation and credentials: policy, tokens, browser sessions, login codes."""
