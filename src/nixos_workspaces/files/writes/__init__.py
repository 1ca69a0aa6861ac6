"""Writing files in one step: staging, uploads, batches, what a crash left."""
