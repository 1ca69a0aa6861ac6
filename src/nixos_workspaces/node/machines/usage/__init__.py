"""The figures of running machines, read from files of the kernel."""
