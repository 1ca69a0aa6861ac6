"""The support bundle: all that tells why the service is as it is, without a secret, a name or a content."""
