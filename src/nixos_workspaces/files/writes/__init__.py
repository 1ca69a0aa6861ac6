"""Writing files in one step: staging, uploads, batches, sweeping."""
