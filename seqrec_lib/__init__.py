"""Sequential recommendation under one honest protocol: data, models, metrics, training, report."""

__version__ = "0.2.0"
