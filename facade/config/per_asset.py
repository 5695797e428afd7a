"""A value for each symbol, frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AfterValidator, PlainSerializer


class PerAsset(Mapping[str, Any]):
    """An immutable, hashable mapping symbol -> value."""

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getitem__(self, symbol: str) -> Any:
        return self._values[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a per-asset mapping is frozen")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._values,)

    def __repr__(self) -> str:
        return repr(self._values)


def frozen_mapping(values: Mapping[str, Any]) -> PerAsset:
    if not values:
        raise ValueError("the mapping is empty")
    return PerAsset(values)


FREEZE = (AfterValidator(frozen_mapping), PlainSerializer(dict))
