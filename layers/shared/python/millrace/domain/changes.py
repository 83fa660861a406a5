"""Changes of database rows: their form, their owners, and conversion of DynamoDB's rows to plain JSON. Pure.

A change belongs to one organization. The operator determines which one for each table, rather than leaving it
to the writer of a row: `orders=acme` assigns a whole table to one organization, `customers=@tenant` each row
to the one in its attribute `tenant`. A row that moves between two organizations is deleted for the one and
inserted for the other, so that neither sees what the other had.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.ids import valid_organization
from millrace.errors import InvalidRequest, Unavailable

Row = dict[str, Any]
Operation = Literal["insert", "update", "delete"]
_LONGEST_ATTRIBUTE = 255
SEQUENCE_DIGITS = 40
_DIGITS = 20
"""No 64-bit integer has more digits."""


class Change(Struct, frozen=True):
    """A changed row. `time` is in epoch milliseconds; `old` and `new` are set if the source provides them.
    `expired` marks a row that DynamoDB deleted because of its TTL. `left_out` names the images that are too
    large to be included. `sequence` orders the changes of one row; see `ordered`."""

    id: str
    time: int
    table: str
    operation: Operation
    keys: Row
    old: Row | None = None
    new: Row | None = None
    expired: bool = False
    left_out: tuple[str, ...] = ()
    sequence: str | None = None


class Owners:
    """The tables, and the organizations that own their changes."""

    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = dict(owners)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `table=organization,table=@attribute`, ignoring blanks. Raises `InvalidRequest`."""
        owners: dict[str, str] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            table, _, owner = (part.strip() for part in entry.partition("="))
            if not table or table in owners or not _valid_owner(owner):
                message = f"{entry!r}: write table=organization or table=@attribute, each table once."
                raise InvalidRequest(message, code="invalid_change_organizations")
            owners[table] = owner
        return cls(owners)

    def split(self, change: Change) -> list[tuple[str, Change]]:
        """Return the change for each organization that receives it: one, or two if a row moved.

        Raises `Unavailable` for a table that is not listed, `InvalidRequest` if no row names an owner.
        """
        owner = self._owners.get(change.table)
        if owner is None:
            raise Unavailable(
                f"Add {change.table}=<organization> or {change.table}=@<attribute> to ChangeOrganizations.",
                code="not_configured",
            )
        if not owner.startswith("@"):
            return [(owner, change)]
        return list(_by_attribute(owner[1:], change))


def ordered(number: int | str) -> str | None:
    """Return a sequence number as text that sorts like the number: DynamoDB's have up to 40 digits, more than
    any JSON number. None if it is not a number."""
    text = str(number)
    return text.zfill(SEQUENCE_DIGITS) if text.isdecimal() else None


def _valid_owner(owner: str) -> bool:
    if owner.startswith("@"):
        return 1 < len(owner) <= _LONGEST_ATTRIBUTE + 1
    return valid_organization(owner)


def _by_attribute(attribute: str, change: Change) -> Iterator[tuple[str, Change]]:
    before = _owner_in(attribute, change.keys, change.old)
    after = _owner_in(attribute, change.keys, change.new)
    if before is None and after is None:
        raise InvalidRequest(f"No organization in the row's {attribute!r}.", code="organization_missing")
    if change.operation != "update" or before == after:
        yield str(after or before), change
    elif change.old is None or change.new is None:  # with only one image, moves cannot be detected
        yield str(after or before), change
    else:
        if before is not None:
            yield before, replace(change, id=f"{change.id}:left", operation="delete", new=None)
        if after is not None:
            yield after, replace(change, id=f"{change.id}:came", operation="insert", old=None)


def _owner_in(attribute: str, keys: Row, row: Row | None) -> str | None:
    found = (keys | (row or {})).get(attribute)
    return found if isinstance(found, str) and valid_organization(found) else None


def number(text: str) -> int | float | str:
    """Return a decimal number exactly: as a JSON number if it fits into 64 bits, otherwise as its text."""
    value = Decimal(text)
    if value.adjusted() < _DIGITS and value == value.to_integral_value():
        whole = int(value)
        return whole if -(2**63) <= whole < 2**64 else text
    near = float(value)
    return near if Decimal(repr(near)) == value else text


def plain_row(row: Mapping[str, Any]) -> Row:
    """Convert a DynamoDB item (`{"name": {"S": "text"}, ...}`) to plain JSON; see `plain`."""
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """Convert an attribute value in DynamoDB's JSON to plain JSON: exact numbers, bytes in base 64 unchanged,
    sets as sorted lists. Raises `InvalidRequest` if it is not an attribute value."""
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidRequest("An attribute value must have exactly one type.", code="invalid_record")
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "B" | "BOOL":
            return inner
        case "N":
            return number(inner)
        case "NULL":
            return None
        case "M":
            return plain_row(inner)
        case "L":
            return [plain(one) for one in inner]
        case "SS" | "BS":
            return sorted(inner)
        case "NS":
            return [number(one) for one in sorted(inner, key=Decimal)]
    raise InvalidRequest(f"{kind!r:.20} is not a DynamoDB type.", code="invalid_record")
