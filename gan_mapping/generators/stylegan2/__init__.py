"""StyleGAN2-ADA in plain PyTorch (Karras et al. 2020, arXiv 1912.04958 and 2006.06676): no compiled extension."""
