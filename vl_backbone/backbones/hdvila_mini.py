"""`hdvila-mini`: the pre-trained small HD-VILA, the default video-language backbone."""

from __future__ import annotations

from vl_backbone.backbones.hdvila_backbone import HDVILABackbone
from vl_backbone.hdvila.mini import HR_SIZE


class HDVILAMini(HDVILABackbone):
    """`grid` has 384 channels on 8x8 cells, `tokens` 384.

    Pre-training kept in `grid` what captions tell. What else a face looks like is in `detail`: the HR trunk's maps of
    the same cells (464 channels), and for words three earlier text layers (3 x 384).
    """

    name = "hdvila-mini"
    image_size = HR_SIZE
    hands_out_detail = True
