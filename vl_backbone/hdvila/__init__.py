"""HD-VILA (Xue et al., CVPR 2022, arXiv 2111.10337): hybrid video encoder, text and multimodal Transformer."""
