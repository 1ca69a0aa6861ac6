"""Why a workspace does not run, is slow or is not reached, with the next step."""
