"""Users and groups as identity providers make, change and end them: SCIM 2.0 (RFC 7643, RFC 7644).

``scim2-server`` reads requests, filters and patches and writes answers (decision 54); here stands what they do.
"""
