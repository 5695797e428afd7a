"""Names of columns as users write them: the one place that knows which name means what.

Names are compared without case, spaces and punctuation: "Adj Close", "adj_close" and "adjClose" are one name.
"""

from collections.abc import Iterable, Sequence

from facade.errors import DataError, listing

TIME = ("timestamp", "datetime", "date", "time")
SYMBOL = ("symbol", "asset", "product", "ticker")
PRICES = ("open", "high", "low", "close")
FIELDS = {
    "timestamp": TIME,
    "symbol": SYMBOL,
    **{name: (name,) for name in PRICES},
    "close": ("close", "price"),
    "volume": ("volume",),
    "session": ("session",),
}
"""Column of prices -> its names, the one that counts first where there are several."""
ACTIONS = {
    "symbol": SYMBOL,
    "ex_date": ("ex_date", *TIME),
    "kind": ("kind",),
    "value": ("value",),
    "split_ratio": ("split_ratio", "stock_splits", "splits", "split_factor"),
    "dividend": ("dividend", "dividends", "div_cash"),
}
"""Column of corporate actions -> its names."""
INSTRUMENTS = {
    "symbol": SYMBOL,
    **{name: (name,) for name in ("kind", "multiplier", "sector", "lot", "initial_margin", "maintenance_margin")},
    **{name: (name,) for name in ("short_initial_margin", "short_maintenance_margin", "margin_basis")},
}
"""Column of instruments -> its names."""
BORROW = {"symbol": SYMBOL, "timestamp": TIME, "available": ("available",), "fee": ("fee",)}
"""Column of what can be borrowed -> its names."""
FUNDING = {
    "timestamp": (*TIME, "funding_time"),
    "symbol": SYMBOL,
    "rate": ("rate", "funding_rate"),
}
"""Column of funding -> its names."""
ADJUSTED_CLOSE = ("adj_close", "adjusted_close", "close_adj", "adj_close_price")
OTHERS = ("capital_gains", "adj_open", "adj_high", "adj_low", "adj_volume")
"""Further columns that sources of prices have; nothing reads them."""
DECISIONS = (
    *("weight", "weights", "target", "shares", "quantity", "size", "rank", "signal", "signals"),
    *("entry", "entries", "exit", "exits", "short_entry", "short_entries", "short_exit", "short_exits"),
)
"""What a Series of decisions may be called without that being a symbol."""


def plain(name: object) -> str:
    """A name without case, spaces and punctuation.

    >>> plain("Adj Close") == plain("adj_close")
    True
    """
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def find(synonyms: Sequence[str], names: Iterable[str], what: str = "prices") -> str | None:
    """The first of `names` that is one of the synonyms, in the order of these; None when there is none.

    Raises DataError where two names differ in spelling only and neither is spelled as the synonym.

    >>> find(FIELDS["close"], ["Price", "CLOSE"])
    'CLOSE'
    """
    names = list(names)
    for synonym in synonyms:
        if synonym in names:
            return synonym
        found = [name for name in names if plain(name) == plain(synonym)]
        if len(found) > 1:
            raise DataError(f"{what}: the columns {listing(found)} all mean {synonym!r}; leave all but one out")
        if found:
            return found[0]
    return None


_FIELDS = {plain(name) for group in (FIELDS, ACTIONS) for names in group.values() for name in names}
_FIELDS |= {plain(name) for name in (*ADJUSTED_CLOSE, *OTHERS)}
_DECISIONS = {plain(name) for name in DECISIONS}


def is_field(name: object) -> bool:
    """Whether it is what a column of prices or actions is called, rather than a symbol."""
    return plain(name) in _FIELDS


def is_no_symbol(name: object) -> bool:
    """Whether the name of a Series says what its values are, and not whose."""
    return name is None or plain(name) == "" or is_field(name) or plain(name) in _DECISIONS


def unread(names: Iterable[str], read: Iterable[str]) -> tuple[str, ...]:
    """Columns that say something of adjustment or actions and are not among those that are read."""
    telling = {plain(name) for name in (*ADJUSTED_CLOSE, *ACTIONS["split_ratio"], *ACTIONS["dividend"])}
    left = set(names) - set(read)
    return tuple(name for name in names if name in left and plain(name) in telling)
