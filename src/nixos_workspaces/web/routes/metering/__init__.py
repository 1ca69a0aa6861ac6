"""The routes of use, costs, prices and budgets."""

from nixos_workspaces.web.routes.metering import budgets, costs, metrics, prometheus, usage

ROUTERS = (metrics.router, prometheus.router, costs.router, costs.prices, budgets.router, usage.router)
