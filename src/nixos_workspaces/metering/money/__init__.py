"""Money: costs out of records and prices, budgets, exports."""
