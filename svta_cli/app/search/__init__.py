"""From a sentence to ranked clips, with a trained model."""
