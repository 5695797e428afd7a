"""Target weights and target shares: the classes, checked when they are built, and what the kernel reads of them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

import numpy as np

from facade.config.model import Config
from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.errors import StrategyError
from facade.strategies.draft import Draft
from facade.strategies.strategy import Placed, Strategy, named, named_arguments
from facade.strategies.target_rows import (
    GivenTargets,
    TargetRows,
    check_targets,
    cut_targets,
    place_targets,
    read_target_array,
    read_target_frame,
    refuse_large_targets,
    refuse_short_targets,
)


def _check_non_negative(name: str, value: float | None, what: str) -> None:
    if value is not None and not (isinstance(value, int | float | np.number) and 0 <= value < np.inf):
        raise StrategyError(f"{what}: {name}={value!r} is not allowed; it must be a finite number >= 0")


def _describe_targets(name: str, given: GivenTargets) -> str:
    shape = " x ".join(f"{size:,}" for size in given.values.shape)
    return f"{name}({shape}{' long rows' if given.values.ndim == 1 else ''})"


@named_arguments
@dataclass(frozen=True, eq=False, repr=False)
class TargetWeights(Strategy):
    """Target weights: fractions of equity wanted at the bars given, sized at the close of each.

    Parameters
    ----------
    frame
        Long (`timestamp`, `symbol`, `weight`) or wide (`timestamp`, one column a symbol). Only the bars given are
        rebalanced. A symbol left out of a given bar goes to zero; null and NaN leave it alone; 0 closes.
    scale
        Cut weights that the account cannot hold (sum of |w| above 1 but on margin, w < 0 without shorting) instead of
        refusing them.
    min_notional
        In account currency; instead of the configuration's.
    min_weight_change
        Targets closer than this to the weight held are left alone (fraction of equity), zero excepted.

    Examples
    --------
    >>> import numpy as np
    >>> TargetWeights.from_array(np.array([[0.5, 0.5], [np.nan, np.nan], [1.0, 0.0]]))
    TargetWeights(3 x 2)
    """

    UNPARSED = ("frame",)

    frame: Any
    _: KW_ONLY
    scale: bool = False
    min_notional: float | None = None
    min_weight_change: float = 0.0
    given: GivenTargets = field(init=False)

    def __post_init__(self) -> None:
        self._check_options()
        object.__setattr__(self, "given", read_target_frame(self.frame, ("weight", "target"), "TargetWeights"))

    def _check_options(self) -> None:
        if not isinstance(self.scale, bool):
            raise StrategyError(f"TargetWeights: scale={self.scale!r} is not allowed; it is True or False")
        _check_non_negative("min_notional", self.min_notional, "TargetWeights")
        _check_non_negative("min_weight_change", self.min_weight_change, "TargetWeights")

    @classmethod
    @named
    def from_array(
        cls,
        weights: Any,
        *,
        scale: bool = False,
        min_notional: float | None = None,
        min_weight_change: float = 0.0,
    ) -> Self:
        """From an array (T, A) in the order of the panel, or (T,) for one symbol; a NaN row is a bar without rebalance.

        A pandas or Polars frame is matched by name: its columns are the symbols of the panel in any order, its index
        (of Polars: column) of times, if it has one, are labels of bars. The array is not copied when every bar is given
        and it is float64 in C order: do not change it during a run.
        """
        made = object.__new__(cls)
        values = {"frame": None, "scale": scale, "min_notional": min_notional, "min_weight_change": min_weight_change}
        for name, value in values.items():
            object.__setattr__(made, name, value)
        made._check_options()
        object.__setattr__(made, "given", read_target_array(weights, "TargetWeights"))
        return made

    def encode(self, panel: Panel, config: Config, draft: Draft) -> None:
        rows = place_targets(panel, self.given, draft.align, "TargetWeights")
        margin = config.account == "margin"
        rows = check_targets(panel, rows, config.allow_short_selling, self.scale, "TargetWeights", margin)
        draft.settings["min_weight_change"] = self.min_weight_change
        _fill(draft, rows, self.min_notional)

    def within(self, selection: Selection, placed: Placed) -> Self:
        return self.changed(frame=None, given=cut_targets(self.given, selection, placed, "TargetWeights"))

    def __repr__(self) -> str:
        return _describe_targets("TargetWeights", self.given)


@named_arguments
@dataclass(frozen=True, eq=False, repr=False)
class TargetShares(Strategy):
    """Target positions in shares at the bars given; frames as for `TargetWeights`, long ones with column `shares`.

    Examples
    --------
    >>> import polars as pl
    >>> TargetShares(pl.DataFrame({"timestamp": [0], "symbol": ["A"], "shares": [100.0]}))
    TargetShares(1 long rows)
    """

    UNPARSED = ("frame",)

    frame: Any
    _: KW_ONLY
    min_notional: float | None = None
    given: GivenTargets = field(init=False)

    def __post_init__(self) -> None:
        _check_non_negative("min_notional", self.min_notional, "TargetShares")
        names = ("shares", "quantity", "target")
        object.__setattr__(self, "given", read_target_frame(self.frame, names, "TargetShares"))

    @classmethod
    @named
    def from_array(cls, shares: Any, *, min_notional: float | None = None) -> Self:
        """From an array (T, A) in the order of the panel, or a frame by name, as for `TargetWeights.from_array`."""
        _check_non_negative("min_notional", min_notional, "TargetShares")
        made = object.__new__(cls)
        object.__setattr__(made, "frame", None)
        object.__setattr__(made, "min_notional", min_notional)
        object.__setattr__(made, "given", read_target_array(shares, "TargetShares"))
        return made

    def encode(self, panel: Panel, config: Config, draft: Draft) -> None:
        rows = place_targets(panel, self.given, draft.align, "TargetShares")
        refuse_large_targets(panel, rows, "TargetShares")
        if not config.allow_short_selling:
            refuse_short_targets(panel, rows, "TargetShares", "")
        draft.settings["targets_are_shares"] = 1
        _fill(draft, rows, self.min_notional)

    def within(self, selection: Selection, placed: Placed) -> Self:
        return self.changed(frame=None, given=cut_targets(self.given, selection, placed, "TargetShares"))

    def __repr__(self) -> str:
        return _describe_targets("TargetShares", self.given)


def _fill(draft: Draft, rows: TargetRows, min_notional: float | None) -> None:
    """What target weights and target shares have in common."""
    draft.settings["has_batch"] = 1
    if min_notional is not None:
        draft.settings["min_notional"] = min_notional
    draft.weights, draft.target_assets = _wanted_columns(rows)
    draft.target_bars, draft.counts = frozen(rows.bars, np.int32), rows.counts
    wanted = rows.survey.nonzero if draft.weights is rows.weights else int(np.count_nonzero(draft.weights))
    draft.expected_orders = min(draft.weights.size, 2 * wanted)


def _wanted_columns(rows: TargetRows) -> tuple[np.ndarray, np.ndarray]:
    """Targets of the assets that are ever wanted, and which they are; all of them unless most are not.

    A column of zeros and NaN decides nothing, and a wide panel of which few assets trade should not cost its width.
    """
    weights = rows.weights
    if rows.survey.used is None or not len(weights):
        return weights, frozen(np.arange(weights.shape[1], dtype=np.int32), np.int32)
    used = np.flatnonzero(rows.survey.used).astype(np.int32)
    return frozen(np.ascontiguousarray(weights[:, used])), frozen(used, np.int32)
