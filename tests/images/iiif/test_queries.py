import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.iiif.queries import (
    Condition,
    Order,
    QueryArgumentsError,
    QueryTemplateError,
    natural_key,
    parse_query_template,
)


def test_a_template_is_conditions_and_an_order() -> None:
    template = parse_query_template("collection=p1&metadata.Shelf mark=p2&label=Map&order=metadata.Page;label desc")
    assert template.arity == 2
    assert template.orders == (Order("metadata.Page"), Order("label", is_descending=True))
    assert template.resolve(["maps", "A 1"]) == (
        Condition("collection", "maps"),
        Condition("metadata.Shelf mark", "A 1"),
        Condition("label", "Map"),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "one condition"),
        ("order=label", "one condition"),
        ("colour=red", "'colour' is no field"),
        ("metadata.=x", "no field"),
        ("collection=", "no value"),
        ("collection=p2", "without gaps"),
        ("collection=p1&order=label sideways", "sideways"),
        ("collection=p1&order=", "no field"),
        ("collection", "field=value"),
        ("label=%ff", "field=value"),
    ],
)
def test_what_is_no_template_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(QueryTemplateError, match=reason):
        parse_query_template(text)


@pytest.mark.parametrize("arguments", [[], ["a", "b"], [""]])
def test_arguments_are_counted(arguments: list[str]) -> None:
    with pytest.raises(QueryArgumentsError, match="1 argument"):
        parse_query_template("collection=p1").resolve(arguments)


@given(st.text(max_size=60))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        parse_query_template(text)
    except QueryTemplateError:
        return


def test_numbers_within_texts_are_sorted_as_numbers() -> None:
    pages = ["page 10", "Page 2", "page 2 verso", "page", "7"]
    assert sorted(pages, key=natural_key) == ["7", "page", "Page 2", "page 2 verso", "page 10"]


@given(st.lists(st.text(max_size=12), max_size=5))
def test_every_text_can_be_sorted(texts: list[str]) -> None:
    assert len(sorted(texts, key=natural_key)) == len(texts)


def test_very_many_digits_are_text() -> None:
    assert natural_key("9" * 5000) == ((1, 0, "9" * 5000),)
