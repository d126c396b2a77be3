"""`credence demo`: a private Kafka, a worker, the query service and a replayed social world, shown as it happens."""
