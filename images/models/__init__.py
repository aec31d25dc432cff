from images.models.activity import Activity, ActivityKind
from images.models.batch import Batch, BatchRow, BatchState, RowState
from images.models.collection import Collection, CopyPolicy
from images.models.image import HAS_PICTURE, Image, ImageCopyPolicy, ImageState
from images.models.job import Job, JobState
from images.models.named_query import NamedQuery
from images.models.outbox import OutboxEntry
from images.models.profile import Profile, ProfileLayerPolicy
from images.models.service_copy import ServiceCopy, ServiceCopyState
from images.models.store import Store, StoreKind, StoreStrategy, StoreTestState
from images.models.tiling import Tiling
from images.models.token import ApiToken, TokenScope

__all__ = [
    "HAS_PICTURE",
    "Activity",
    "ActivityKind",
    "ApiToken",
    "Batch",
    "BatchRow",
    "BatchState",
    "Collection",
    "CopyPolicy",
    "Image",
    "ImageCopyPolicy",
    "ImageState",
    "Job",
    "JobState",
    "NamedQuery",
    "OutboxEntry",
    "Profile",
    "ProfileLayerPolicy",
    "RowState",
    "ServiceCopy",
    "ServiceCopyState",
    "Store",
    "StoreKind",
    "StoreStrategy",
    "StoreTestState",
    "Tiling",
    "TokenScope",
]
