"""The kernel's interfaces, one file each: cgroups, nftables, fscrypt, mounts, namespaces."""
