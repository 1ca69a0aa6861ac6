"""Passkeys (WebAuthn): registered by their owners, to sign in with and to confirm with."""
