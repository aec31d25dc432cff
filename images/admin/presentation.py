"""How curators arrange what is shown together."""

from django.contrib import admin

from images.models import NamedQuery


@admin.register(NamedQuery)
class NamedQueryAdmin(admin.ModelAdmin[NamedQuery]):
    list_display = ("name", "label", "template")
    search_fields = ("name", "label", "template")
