"""How much capital a strategy can carry: the same strategy run with more and more of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from facade.arguments import as_config, as_panel, refuse_unknown, take_loading
from facade.config.model import Config
from facade.data.actions import adjust
from facade.data.flows import read_flows
from facade.data.panel import Panel
from facade.errors import BacktestWarning, ConfigError, Interrupted, StrategyError, listing
from facade.results.figure import BLUE, GREEN, GREY, ORANGE, RED, plotly_modules
from facade.results.metrics import compute
from facade.results.result import Result
from facade.sweeps.run import sweep
from facade.sweeps.workers.notes import Notes
from ml4t_kernel.schema import STATE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DECIDED = ("order", "target", "signal_entry", "signal_exit")
"""Origins of the orders that the strategy asked for; rules and bracket children are not ordered, they happen."""


@dataclass(frozen=True, eq=False, repr=False)
class Capacity:
    """What `capacity` found."""

    table: pl.DataFrame
    """One row a capital, in the order given; money in account currency, everything else a fraction.

    capital (Float64): initial cash
    final_value (Float64): equity after the last bar
    total_return, cagr, sharpe (Float64): as in `facade.results.metrics`, after all costs
    gross_total_return, gross_cagr (Float64): the same if the costs were in the account at the end: final value + cost.
        What the costs would have earned meanwhile is not in it.
    commission, slippage (Float64): fees and taxes; spread, slippage and impact of all fills, in currency
    cost (Float64): both
    cost_a_year (Float64): cost / capital / years: a share of the capital at the start
    turnover (Float64): traded notional a year, in equities
    unfilled (Float64): share of the ordered notional that was never filled, see `capacity`; NaN without orders
    participation (Float64): mean, over the bars and symbols traded in, of shares traded / volume of the bar; NaN
        without volume
    max_participation (Float64): largest of them
    orders, refused_orders (Int64): as in `facade.results.metrics`
    """

    results: tuple[Result, ...]
    """The run of each row."""

    def plot(self, *, title: str | None = None, height: int = 700) -> Figure:
        """A plotly figure over capital: returns net and gross; unfilled share, participation and cost a year."""
        return _figure(self.table, title or "Capacity", height)

    def __repr__(self) -> str:
        capital = self.table["capital"].to_numpy()
        return f"Capacity({len(capital)} capitals, {capital.min():,.0f} to {capital.max():,.0f})\n{self.table}"


def capacity(
    prices: Any,
    strategy: Any,
    config: Config | Mapping[str, Any] | None = None,
    capital: Sequence[float] = (1e5, 1e6, 1e7, 1e8, 1e9),
    *,
    actions: Any = None,
    flows: Any = None,
    align: str | None = None,
    **keywords: Any,
) -> Capacity:
    """Run a strategy with several amounts of capital and tell what more of it costs.

    The curve falls because of market impact (`impact_coefficient`), because orders are cut to a share of the volume
    (`max_participation`), and by what becomes of small accounts (lots, minimum fees). Without the first two the curve
    is flat by construction, and a warning says so.

    Parameters
    ----------
    prices, strategy, config, actions, flows, align
        As for `run_backtest`. Flows are amounts of money, the same for every capital.
    capital
        Values of `initial_cash`; positive, each once.
    **keywords
        Arguments of `sweep` (n_jobs, progress, ...) and of `load_panel`.

    Notes
    -----
    `unfilled` is computed from the orders of each run that the strategy asked for (origin order, target, signal_entry
    or signal_exit; refused ones too, rules and bracket children not):

        sum |quantity - filled quantity| x close / sum |quantity| x close

    with the close of the deciding bar (the last one before, if it has none), in shares of one day, so that splits
    change nothing. An order counts once with all it did until it ended, or until the end of the data. One that a
    later decision replaced counts with what it had not filled by then: who decides anew on every bar orders the
    remainder anew on every bar.

    Raises
    ------
    ConfigError
        No capital, or one that is not a positive number or given twice; and what `sweep` raises.

    Examples
    --------
    >>> from facade import TargetWeights, datasets, load_panel
    >>> panel = load_panel(datasets.wiki_stocks(), datasets.wiki_actions(), symbols=["AAPL", "IBM"])
    >>> first = pl.DataFrame({"timestamp": panel.timestamps[:1], "AAPL": 0.45, "IBM": 0.45})
    >>> found = capacity(panel, TargetWeights(first), {"impact_coefficient": 0.1}, [1e6, 1e9])
    >>> found.table.select("capital", pl.col("cagr", "max_participation").round(3)).rows()
    [(1000000.0, 0.164, 0.001), (1000000000.0, 0.163, 0.1)]
    """
    amounts = _checked(capital)
    if isinstance(strategy, Mapping):
        raise StrategyError(f"capacity is of one strategy; call it for each of {listing(strategy)}")
    refuse_unknown(keywords, capacity, sweep)
    config = as_config(config)
    panel = as_panel(prices, actions, [config.spread], take_loading(keywords))
    _warn_if_flat(config, panel)
    keywords = {"progress": False, **keywords}
    notes = Notes()
    with notes.gathering():
        placed = read_flows(flows, panel)
        found = sweep(panel, strategy, config, {"initial_cash": amounts}, flows=placed, align=align, **keywords)
        if found.interrupted:
            raise Interrupted(f"interrupted after {len(found)} of {len(amounts)} capitals; see .result", found)
        results = tuple(found.drill(row) for row in found.table["row"].to_list())
    notes.warn()
    return Capacity(pl.DataFrame([_row(panel, result) for result in results]), results)


def _checked(capital: Sequence[float]) -> list[float]:
    try:
        amounts = [float(amount) for amount in capital]
    except (TypeError, ValueError):
        raise ConfigError(f"capital={capital!r} is not allowed; it is a list of amounts") from None
    if not amounts:
        raise ConfigError("capital is empty; give at least one amount")
    for place, amount in enumerate(amounts):
        if not (isfinite(amount) and amount > 0.0):
            raise ConfigError(f"capital[{place}]={amount!r} is not allowed; it must be a finite number above 0")
        if amount in amounts[:place]:
            raise ConfigError(f"capital[{place}]={amount!r} is given twice")
    return amounts


def _warn_if_flat(config: Config, panel: Panel) -> None:
    cap = config.max_participation
    if config.impact_coefficient == 0.0 and (cap is None or (cap == "auto" and not panel.has_volume)):
        why = "None" if cap is None else "'auto' without volume, which caps nothing"
        message = (
            f"capacity: impact_coefficient=0 and max_participation={why}; fills cost the same at any size, so the "
            "curve is flat by construction but for lots and fees an order"
        )
        warnings.warn(message, BacktestWarning, stacklevel=3)


def _row(panel: Panel, result: Result) -> dict[str, float | int]:
    """One row of the table."""
    known = result.metrics
    cost = known["total_commission"] + known["total_slippage"]
    gross = _with_costs_back(known, cost)
    mean, largest = _participation(panel, result.fills)
    years = known["years"]
    return {
        "capital": known["initial_cash"],
        "final_value": known["final_value"],
        **{name: known[name] for name in ("total_return", "cagr", "sharpe")},
        "gross_total_return": gross["total_return"],
        "gross_cagr": gross["cagr"],
        "commission": known["total_commission"],
        "slippage": known["total_slippage"],
        "cost": cost,
        "cost_a_year": cost / known["initial_cash"] / years if years > 0.0 else float("nan"),
        "turnover": known["avg_turnover"] * known["periods_per_year"],
        "unfilled": _unfilled(panel, result.orders),
        "participation": mean,
        "max_participation": largest,
        "orders": known["num_orders"],
        "refused_orders": known["num_rejected_orders"],
    }


def _with_costs_back(known: dict[str, float | int], cost: float) -> dict[str, float]:
    """The metrics of an account that ends with its costs still in it."""
    state = np.zeros(1, STATE)
    state["equity"] = known["final_value"] + cost
    grown = known["initial_cash"] * (1.0 + known["total_return"])
    state["flow_factor"] = known["final_value"] / grown if grown > 0.0 else 1.0
    found = compute(state, known["initial_cash"], known["periods_per_year"], known["years"])
    return {name: float(found[name][0]) for name in ("total_return", "cagr")}


def _unfilled(panel: Panel, orders: pl.DataFrame) -> float:
    """Share of the ordered notional that was never filled, at deciding closes."""
    orders = orders.filter(pl.col("origin").cast(pl.String).is_in(DECIDED), pl.col("quantity") > 0.0)
    if not orders.height:
        return float("nan")
    splits = adjust(np.ones(panel.shape), panel.close, panel.action_rows)
    close = pl.DataFrame(panel.close * splits).fill_nan(None).fill_null(strategy="forward").to_numpy()
    bars, assets = _places(panel, orders)
    last = panel.shape[0] - 1
    ended = panel.timestamps.search_sorted(orders["end_timestamp"].fill_null(panel.timestamps[last])).to_numpy()
    # Quantities are in shares of the day the order ended; a price x its splits is that of a share of the first day.
    value = np.nan_to_num(close[bars, assets]) / splits[ended, assets]
    if panel.multipliers is not None:
        value = value * panel.multipliers[assets]
    wanted = orders["quantity"].to_numpy()
    total = float(np.abs(wanted) @ value)
    missing = float(np.maximum(wanted - orders["filled_quantity"].to_numpy(), 0.0) @ value)
    return missing / total if total else float("nan")


def _participation(panel: Panel, fills: pl.DataFrame) -> tuple[float, float]:
    """Mean and largest share of a bar's volume taken, over the bars and symbols traded in."""
    bars, assets = _places(panel, fills)
    cells, row = np.unique(bars * panel.shape[1] + assets, return_inverse=True)
    shares = np.bincount(row, fills["quantity"].to_numpy(), len(cells))
    volume = panel.volume.reshape(-1)[cells]
    known = volume > 0.0
    if not known.any():
        return float("nan"), float("nan")
    share = shares[known] / volume[known]
    return float(share.mean()), float(share.max())


def _places(panel: Panel, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(N,) bar and (N,) asset of each row of a frame of a result."""
    bars = panel.timestamps.search_sorted(frame["timestamp"]).to_numpy().astype(np.int64)
    numbers = {symbol: number for number, symbol in enumerate(panel.symbols)}
    assets = np.fromiter((numbers[symbol] for symbol in frame["symbol"]), np.int64, frame.height)
    return bars, assets


def _figure(table: pl.DataFrame, title: str, height: int) -> Figure:
    go, subplots = plotly_modules()
    titles = ("Return a year", "What more capital costs")
    figure = subplots.make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=titles)
    table = table.sort("capital")
    lines = (
        (1, "cagr", "net", BLUE, "solid"),
        (1, "gross_cagr", "before costs", GREY, "dash"),
        (2, "unfilled", "ordered, never filled", RED, "solid"),
        (2, "participation", "share of the volume, mean", ORANGE, "solid"),
        (2, "cost_a_year", "cost a year, of the capital", GREEN, "solid"),
    )
    for row, column, name, colour, dash in lines:
        line = {"color": colour, "dash": dash}
        legend = "legend" if row == 1 else "legend2"
        x, y = table["capital"].to_list(), table[column].to_list()
        scatter = go.Scatter(x=x, y=y, name=name, mode="lines+markers", line=line, legend=legend)
        figure.add_trace(scatter, row=row, col=1)
    # No marker is cut in half by the axis that it lies on.
    figure.update_traces(hovertemplate="%{x:,.0f}: %{y:.2%}<extra>%{fullData.name}</extra>", cliponaxis=False)
    figure.update_layout(
        title={"text": title, "x": 0.01, "xanchor": "left"},
        height=height,
        template="plotly_white",
        margin={"l": 80, "r": 30, "t": 85, "b": 80},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom"},
        legend2={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.12, "yanchor": "top"},
    )
    figure.update_annotations(font_size=13, x=0, xanchor="left", yshift=4)
    figure.update_yaxes(tickformat=".0%")
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    capital = table["capital"].to_list()
    # Within a power of ten the axis would have one label or none.
    ticks = {"dtick": 1} if capital[-1] >= 10 * capital[0] else {"tickvals": capital}
    figure.update_xaxes(type="log", exponentformat="B", ticks="outside", tickcolor="rgba(0,0,0,0)", **ticks)
    figure.update_xaxes(title_text="capital", row=2, col=1)
    return figure
