"""Pre-training of HD-VILA: contrastive (stage 1) and masked words (stage 2), on one process or many."""
