from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from images.sources.credentials import what_is_wrong_with
from images.sources.errors import SourceNotAllowedError
from images.sources.kinds import REMOTE_KINDS, check_hosts, check_options, check_root
from images.sources.location import Strategy, key_segments
from images.sources.mapping import KeyMapping, pattern_problem, template_problem

_MOST_CONNECTIONS = 256


class StoreKind(models.TextChoices):
    FILESYSTEM = "filesystem", _("Folder on this server")
    HTTP = "http", _("Web server")
    S3 = "s3", _("S3")
    GCS = "gcs", _("Google Cloud Storage")
    AZURE = "azure", _("Azure Blob Storage")
    STORAGE = "storage", _("Storage of this server's settings")
    FLICKR = "flickr", _("Flickr")


class StoreStrategy(models.TextChoices):
    """How sources come here."""

    STREAM = Strategy.STREAM.value, _("Stream: fetch only what a request needs")
    CACHE = Strategy.CACHE.value, _("Cache: fetch whole sources to the disk, once")
    MEMORY = Strategy.MEMORY.value, _("Memory: fetch whole sources into memory, once")


class StoreTestState(models.TextChoices):
    UNTESTED = "", _("Not tested")
    PASSED = "passed", _("Works")
    FAILED = "failed", _("Does not work")


class Store(models.Model):
    """A place that holds sources. A source is named by its store and a key below the store's root.

    `options` are those that `images.sources.kinds` knows for the kind. `credentials` is a reference, see
    `images.sources.credentials`. A store that `registers_itself` answers for unknown identifiers that begin with
    `identifier_prefix`: what follows the prefix is the name, from which the key is made, by `identifier_pattern` and
    `key_template` if they are there, between `key_prefix` and `key_suffix`.
    """

    name = models.SlugField(_("name"), unique=True, max_length=100)
    kind = models.CharField(_("kind"), max_length=20, choices=StoreKind, default=StoreKind.FILESYSTEM)
    root = models.CharField(
        _("root"),
        max_length=1000,
        blank=True,
        help_text=_(
            "The folder; the URL that every key is appended to, or a template with {id} for the key; the bucket or "
            "container, with or without a prefix; or the name of a storage. Nothing outside it can be reached."
        ),
    )
    options = models.JSONField(
        _("options"),
        default=dict,
        blank=True,
        help_text=_('As JSON: {"region": "eu-central-1"}. Which there are depends on the kind.'),
    )
    credentials = models.CharField(
        _("credentials"),
        max_length=500,
        blank=True,
        help_text=_("Where they are kept: env:NAME for variables that begin with NAME_, or file:/path of a JSON file."),
    )
    allowed_hosts = models.JSONField(
        _("allowed hosts"),
        default=list,
        blank=True,
        help_text=_("Of a web server: the hosts that it may redirect to. Empty: every public one."),
    )
    is_enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Nothing is fetched from a store that is switched off.")
    )

    strategy = models.CharField(_("retrieval"), max_length=20, choices=StoreStrategy, default=StoreStrategy.STREAM)
    prefetch = models.BooleanField(
        _("prefetch"), default=False, help_text=_("Fetch a source as soon as its info.json is asked for.")
    )
    freshness_seconds = models.PositiveIntegerField(
        _("freshness in seconds"),
        default=86_400,
        help_text=_("How long a version is trusted before the store is asked again. 0: until a read notices."),
    )
    max_connections = models.PositiveSmallIntegerField(
        _("connections"),
        default=16,
        validators=[MinValueValidator(1), MaxValueValidator(_MOST_CONNECTIONS)],
        help_text=_("Requests to the store at a time, of each process."),
    )
    max_bytes_per_second = models.PositiveBigIntegerField(
        _("bytes per second"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Of each process. Empty: no limit."),
    )

    registers_itself = models.BooleanField(
        _("registers by itself"),
        default=False,
        help_text=_("An unknown identifier is looked for here at its first request, and registered if it is there."),
    )
    identifier_prefix = models.CharField(
        _("identifier prefix"),
        max_length=200,
        blank=True,
        help_text=_("Of the identifiers that this store answers for."),
    )
    key_prefix = models.CharField(_("key prefix"), max_length=500, blank=True)
    key_suffix = models.CharField(_("key suffix"), max_length=100, blank=True, help_text=_("For instance .jp2"))
    identifier_pattern = models.CharField(
        _("identifier pattern"),
        max_length=300,
        blank=True,
        help_text=_("A regular expression that the identifier without its prefix must match as a whole."),
    )
    key_template = models.CharField(
        _("key template"), max_length=300, blank=True, help_text=_(r"The key from groups of the pattern: \1/\2")
    )

    tested = models.DateTimeField(_("tested"), null=True, blank=True, editable=False)
    test_state = models.CharField(
        _("test"), max_length=20, choices=StoreTestState, default=StoreTestState.UNTESTED, blank=True, editable=False
    )
    test_detail = models.TextField(_("what the test found"), blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("store")
        verbose_name_plural = _("stores")

    def __str__(self) -> str:
        return self.name

    @property
    def mapping(self) -> KeyMapping:
        return KeyMapping(self.key_prefix, self.key_suffix, self.identifier_pattern, self.key_template)

    def clean(self) -> None:
        errors = {field: problem for field, problem in self._problems().items() if problem}
        if errors:
            raise ValidationError(dict(errors))

    def _problems(self) -> dict[str, str | list[str]]:
        return {
            "root": check_root(self.kind, self.root) or self._storage_problem(),
            "options": check_options(self.kind, self.options),
            "credentials": what_is_wrong_with(self.credentials),
            "allowed_hosts": check_hosts(self.allowed_hosts),
            "strategy": ""
            if self.strategy == StoreStrategy.STREAM or self.kind in REMOTE_KINDS | {StoreKind.STORAGE}
            else str(_("What lies in a folder of this server is read where it lies.")),
            "key_prefix": _key_problem(f"{self.key_prefix}x"),
            "key_suffix": _key_problem(f"x{self.key_suffix}"),
            "identifier_pattern": pattern_problem(self.identifier_pattern),
            "key_template": template_problem(self.key_template, self.identifier_pattern),
            "identifier_prefix": self._prefix_problem(),
        }

    def _storage_problem(self) -> str:
        if self.kind != StoreKind.STORAGE or self.root in settings.STORAGES:
            return ""
        names = ", ".join(sorted(settings.STORAGES))
        return str(_("There is no storage %(name)r in STORAGES; there are: %(names)s.")) % {
            "name": self.root,
            "names": names,
        }

    def _prefix_problem(self) -> str:
        if not self.registers_itself:
            return ""
        others = Store.objects.filter(registers_itself=True, identifier_prefix=self.identifier_prefix)
        if others.exclude(pk=self.pk).exists():
            return str(_("Another store registers identifiers with this prefix by itself."))
        return ""


def _key_problem(key: str) -> str:
    try:
        key_segments(key)
    except SourceNotAllowedError as error:
        return str(_(error.detail))
    return ""
