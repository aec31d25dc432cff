from images.admin.images import CollectionAdmin, ImageAdmin, StoreAdmin, TilingInline

__all__ = ["CollectionAdmin", "ImageAdmin", "StoreAdmin", "TilingInline"]
