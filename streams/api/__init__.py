"""The query service: a process of its own that holds the newest scores and answers while workers rebalance."""
