"""Generates Prometheus rules from service levels (`slos.yaml`): `make generate`."""
