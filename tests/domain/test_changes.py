"""Changes of rows: DynamoDB's values as JSON, and the organization that they belong to."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.changes import Change, Owners, number, plain, plain_row
from millrace.errors import InvalidRequest, Unavailable


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_number_is_exact_as_json_says_it_again(value: Decimal) -> None:
    again = json.loads(json.dumps(number(str(value))))
    assert Decimal(again if isinstance(again, str) else repr(again)) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-7", -7),
        ("1E+3", 1000),
        ("0.1", 0.1),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("0.12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678"),
        ("9.9E+125", 9.9e125),
        ("1E+1000000000", "1E+1000000000"),
    ],
)
def test_numbers_are_json_numbers_where_64_bits_hold_them_and_text_elsewhere(
    text: str, expected: object
) -> None:
    assert number(text) == expected
    assert type(number(text)) is type(expected)


def test_item_is_plain_json_all_the_way_down() -> None:
    item: dict[str, Any] = {
        "text": {"S": "é"},
        "count": {"N": "3"},
        "bytes": {"B": "AAEC"},
        "yes": {"BOOL": True},
        "nothing": {"NULL": True},
        "names": {"SS": ["b", "a"]},
        "sizes": {"NS": ["10", "9", "1.5"]},
        "blobs": {"BS": ["Ag==", "AQ=="]},
        "nested": {"M": {"list": {"L": [{"N": "1"}, {"M": {}}, {"L": []}]}}},
    }
    assert plain_row(item) == {
        "text": "é",
        "count": 3,
        "bytes": "AAEC",
        "yes": True,
        "nothing": None,
        "names": ["a", "b"],
        "sizes": [1.5, 9, 10],
        "blobs": ["AQ==", "Ag=="],
        "nested": {"list": [1, {}, []]},
    }


@pytest.mark.parametrize("value", [{}, {"S": "a", "N": "1"}, {"X": 1}, "text", None])
def test_invalid_attribute_value_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest):
        plain(value)


def changed(operation: Any, old: Any = None, new: Any = None, table: str = "orders") -> Change:
    return Change("e1", 0, table, operation, {"id": "1"}, old, new)


def split_for(owners: str, change: Change) -> list[tuple[str, str, Any, Any]]:
    split = Owners.parse(owners).split(change)
    return [(organization, one.operation, one.old, one.new) for organization, one in split]


def test_table_may_belong_to_one_organization() -> None:
    change = changed("update", {"tenant": "other"}, {"tenant": "third"})
    owners = Owners.parse(" orders = acme , customers=@tenant,")
    assert owners.split(change) == [("acme", change)]


def test_row_may_name_its_organization() -> None:
    acme = {"tenant": "acme", "n": 1}
    owners = "orders=@tenant"
    assert split_for(owners, changed("insert", None, acme)) == [("acme", "insert", None, acme)]
    assert split_for(owners, changed("update", acme, acme)) == [("acme", "update", acme, acme)]
    assert split_for(owners, changed("delete", acme, None)) == [("acme", "delete", acme, None)]


def test_row_that_moves_shows_neither_organization_what_the_other_had() -> None:
    old, new = {"tenant": "acme", "n": 1}, {"tenant": "zeta", "n": 2}
    split = Owners.parse("orders=@tenant").split(changed("update", old, new))
    assert [(who, one.operation, one.old, one.new) for who, one in split] == [
        ("acme", "delete", old, None),
        ("zeta", "insert", None, new),
    ]
    assert [one.id for _, one in split] == ["e1:left", "e1:came"]


def test_row_that_gains_or_loses_its_owner_comes_or_leaves() -> None:
    mine, nobodys = {"tenant": "acme"}, {"tenant": None}
    owners = "orders=@tenant"
    assert split_for(owners, changed("update", nobodys, mine)) == [("acme", "insert", None, mine)]
    assert split_for(owners, changed("update", mine, nobodys)) == [("acme", "delete", mine, None)]


@pytest.mark.parametrize("image", ["old", "new"])
def test_stream_with_one_image_tells_what_it_knows(image: str) -> None:
    images: dict[str, Any] = {image: {"tenant": "acme"}}
    change = changed("update", **images)
    assert Owners.parse("orders=@tenant").split(change) == [("acme", change)]


@pytest.mark.parametrize("tenant", [None, "", 7, "a#b", "x" * 200, ["acme"]])
def test_row_that_names_no_organization_is_nobodys(tenant: object) -> None:
    with pytest.raises(InvalidRequest, match="'tenant'"):
        Owners.parse("orders=@tenant").split(changed("insert", None, {"tenant": tenant}))


def test_table_that_is_not_listed_is_nobodys() -> None:
    with pytest.raises(Unavailable, match="ChangeOrganizations"):
        Owners.parse("orders=acme").split(changed("insert", None, {}, table="others"))


@pytest.mark.parametrize("text", ["orders", "=acme", "orders=", "orders=@", "orders=a b", "a=x,a=y", "a=#"])
def test_mistake_in_the_list_of_owners_is_named(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"table=organization"):
        Owners.parse(text)
