"""What a trust team watches and what wakes who is on call: rules, dashboards, and a Prometheus to try both."""
