from images.models.collection import Collection
from images.models.image import Image, ImageState
from images.models.store import Store, StoreKind
from images.models.tiling import Tiling

__all__ = ["Collection", "Image", "ImageState", "Store", "StoreKind", "Tiling"]
