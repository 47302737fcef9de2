"""What a trained model is used for; nothing of the library imports from here."""
