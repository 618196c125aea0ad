"""What pages whom: service levels as data (`slos.yaml`), and the Prometheus rules that `make generate` makes of them."""
