"""Log lines of the service and of the node: what each belongs to, their form, and those that were last."""
