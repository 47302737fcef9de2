"""Sequential recommendation under one honest protocol: data, models, metrics, training, report."""
