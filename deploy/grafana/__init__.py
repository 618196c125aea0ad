"""Holds Grafana dashboards as code: `python -m deploy.grafana --write` makes `json/` from `dashboards/`."""
