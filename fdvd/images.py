"""Photos in and out, under the name that programs outside import; the code lives in `fdvd.media.photos`."""

from fdvd.media.photos import Photo, load_photo, save_png

__all__ = ["Photo", "load_photo", "save_png"]
