"""The command line: ``nixws``."""
