"""Tokens for programs: made here, and shown on the one page after that."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from images.models import ApiToken, Collection, TokenScope
from images.services.tokens import token_limit, token_revoke, token_save_new


class ApiTokenForm(forms.ModelForm[ApiToken]):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), choices=TokenScope.choices, widget=forms.CheckboxSelectMultiple, initial=["read"]
    )

    expires = forms.DateTimeField(
        label=_("Expires"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    collections = forms.ModelMultipleChoiceField(
        Collection.objects.all(), label=_("Collections"), required=False, help_text=_("None chosen: all of them.")
    )

    class Meta:
        model = ApiToken
        fields = ["name", "user", "scopes", "collections", "expires"]


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Users see and make tokens of their own; a superuser those of all."""

    form = ApiTokenForm
    list_display = ("name", "prefix", "user", "scope_names", "is_accepted", "expires", "last_used")
    list_filter = ("revoked", "expires")
    search_fields = ("name", "prefix", "user__username")
    actions = ("revoke_selected",)
    list_select_related = ("user",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens = super().get_queryset(request)
        return tokens if _is_superuser(request) else tokens.filter(user__pk=request.user.pk or 0)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        owner = ("user",) if obj is not None or _is_superuser(request) else ()
        new = ("name", *owner, "scopes", "collections", "expires")
        return new if obj is None else (*new, "prefix", "created", "revoked", "last_used")

    def get_readonly_fields(self, _request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return () if obj is None else ("user", "prefix", "created", "revoked", "last_used")

    @admin.display(description=_("scopes"))
    def scope_names(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description=_("accepted"), boolean=True)
    def is_accepted(self, token: ApiToken) -> bool:
        return token.is_valid

    def save_model(self, request: HttpRequest, obj: ApiToken, _form: Any, change: bool) -> None:  # noqa: FBT001
        if change:
            obj.save()
            return
        if not _is_superuser(request):
            obj.user_id = request.user.pk  # type: ignore[assignment]  # who is signed in has one
        request.new_token_secret = token_save_new(obj)  # type: ignore[attr-defined]  # for the answer alone

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        super().save_related(request, form, formsets, change)
        token_limit(form.instance, form.cleaned_data.get("collections") or ())

    def response_add(self, request: HttpRequest, obj: ApiToken, _post_url_continue: str | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new token"),
            "opts": self.opts,
            "token": obj,
            "secret": request.new_token_secret,  # type: ignore[attr-defined]
        }
        response = TemplateResponse(request, "admin/images/apitoken/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        count = sum(token_revoke(pk) for pk in queryset.values_list("pk", flat=True))
        text = ngettext("%d token is revoked.", "%d tokens are revoked.", count) % count
        self.message_user(request, text, messages.SUCCESS)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
