"""Why a workspace does not run, is slow or is not reached: the shape of the answer, and its sentences."""
