"""Changes of database rows: what they are, whose they are, and rows of DynamoDB as plain JSON. Pure.

A change belongs to one organization. Which one, the operator says per table, never the row's writer alone:
`orders=acme` gives all of a table to one organization, `customers=@tenant` each row to the one that its
attribute `tenant` names. A row that moves between two organizations leaves the one and comes to the other, so
that neither sees what the other had.
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
"""No integer of 64 bits has more."""


class Change(Struct, frozen=True):
    """One row that changed; `time` in epoch milliseconds, `old` and `new` where the source tells them.
    `expired` marks what DynamoDB deleted because its time to live was over; `left_out` names the images that
    are too large to be told. `sequence` orders the changes of one row; see `ordered`."""

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
    """Tables and whose changes they hold."""

    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = dict(owners)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `table=organization,table=@attribute`; blanks do not matter. Raises `InvalidRequest`."""
        owners: dict[str, str] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            table, _, owner = (part.strip() for part in entry.partition("="))
            if not table or table in owners or not _valid_owner(owner):
                message = f"{entry!r}: write table=organization or table=@attribute, each table once."
                raise InvalidRequest(message, code="invalid_change_organizations")
            owners[table] = owner
        return cls(owners)

    def split(self, change: Change) -> list[tuple[str, Change]]:
        """The change for each organization that it is for: one, or two where a row moved.

        Raises `Unavailable` for a table that is not listed, `InvalidRequest` where no row names an owner.
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
    """A sequence number as text that compares as the number: DynamoDB's have up to 40 digits, which no
    JSON number holds. None for what is no number."""
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
    elif change.old is None or change.new is None:  # the stream tells one image: nobody knows of a move
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
    """A decimal number, exactly: as a JSON number where 64 bits hold it, else as its text."""
    value = Decimal(text)
    if value.adjusted() < _DIGITS and value == value.to_integral_value():
        whole = int(value)
        return whole if -(2**63) <= whole < 2**64 else text
    near = float(value)
    return near if Decimal(repr(near)) == value else text


def plain_row(row: Mapping[str, Any]) -> Row:
    """A DynamoDB item (`{"name": {"S": "text"}, ...}`) as plain JSON; see `plain`."""
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """An attribute value in DynamoDB's JSON as plain JSON: numbers exactly, bytes in base 64 as they came,
    sets as sorted lists. Raises `InvalidRequest` for what is no attribute value."""
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
