"""Each network drawn in PyTorch, to study, change and train; the only folder that knows torch, besides losses and training."""
