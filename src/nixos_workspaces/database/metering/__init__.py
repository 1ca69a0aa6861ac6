"""The tables of metering: records of use, prices, budgets."""
