"""Records of use and money: meters, intervals, prices, budgets."""
