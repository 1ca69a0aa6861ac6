"""The client's calls on use, costs, prices and budgets."""
