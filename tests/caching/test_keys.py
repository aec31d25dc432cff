import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.keys import DerivativeKey
from tests.caching.conftest import image_name

keys = st.builds(
    DerivativeKey,
    image=st.integers(0, 5).map(image_name),
    version=st.integers(0, 20),
    parameters=st.text("ab/,0!1", max_size=6),
    encoding=st.text("ab/,0!1", max_size=6),
)


@given(keys, keys)
def test_digests_are_equal_only_for_equal_keys(one: DerivativeKey, other: DerivativeKey) -> None:
    assert (one.digest == other.digest) == (one == other)


def test_fields_do_not_run_together() -> None:
    assert DerivativeKey(image_name(), 1, "a/b", "c").digest != DerivativeKey(image_name(), 1, "a", "b/c").digest
    assert DerivativeKey(image_name(), 1, "1a", "").digest != DerivativeKey(image_name(), 11, "a", "").digest
    assert DerivativeKey(image_name(), 1, "0", "").digest != DerivativeKey(image_name(), 1, "!0", "").digest


def test_the_digest_of_a_key_never_changes() -> None:
    """Across releases: a change here empties every cache, so it has to be wanted."""
    key = DerivativeKey("0123456789abcdef0123456789abcdef", 7, "0,0,512,512/256,256/0/default.jpg", "q85")
    assert key.digest == "586ffc84aba164cef416227e7242f9e911229cbdd7be8f4354f960795623bcf9"


def test_the_entity_tag_is_strong_and_of_the_key() -> None:
    key = DerivativeKey(image_name(), 1, "a", "b")
    assert key.etag == f'"{key.digest[:32]}"'
    assert key.etag != DerivativeKey(image_name(), 2, "a", "b").etag


@pytest.mark.parametrize("image", ["", "..", "A" * 32, "../" + "a" * 29, "a" * 31, "a" * 33, "a" * 32 + "\n"])
def test_an_image_that_could_be_a_path_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match="32 lower-case"):
        DerivativeKey(image, 1, "", "")


def test_a_negative_version_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0"):
        DerivativeKey(image_name(), -1, "", "")
