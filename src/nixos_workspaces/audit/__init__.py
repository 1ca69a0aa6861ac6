"""The audit log without a database: entries, canonical JSON, the Merkle tree, checkpoints, verification."""
