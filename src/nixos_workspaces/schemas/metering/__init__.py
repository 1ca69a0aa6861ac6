"""The wire types of use, costs, prices and budgets."""
