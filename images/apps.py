from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ImagesConfig(AppConfig):
    name = "images"
    verbose_name = _("Images")

    def ready(self) -> None:
        from images import checks  # noqa: F401
        from images.services import activities, announcing, copy_policy, offload  # noqa: F401 - what follows a change
        from images.services.roles import roles_ensure_after_migrate
        from images.services.search_index import search_index_ensure_after_migrate

        with_models = [config for config in apps.get_app_configs() if config.models_module is not None]
        # Permissions are made app by app: after the last one they are all there.
        post_migrate.connect(roles_ensure_after_migrate, sender=with_models[-1], dispatch_uid="images.roles")
        post_migrate.connect(search_index_ensure_after_migrate, sender=self, dispatch_uid="images.search_index")
