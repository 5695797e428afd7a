"""A figure of a result: equity, drawdown, exposure and trades over time, and what happened to the account.

Lines are thinned to the lowest and highest point of equal stretches of bars, so that a spike of a single bar stays
visible and a million bars open in a browser. Plotly is imported when a figure is made, never before.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from facade.results.facts import Facts
from facade.wording import money, percent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Okabe and Ito's colours, told apart with any colour vision.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#7F7F7F"
PURPLE = "#CC79A7"
ROWS = ("Equity", "Drawdown", "Exposure (share of equity)", "Closed trades: profit after fees, share of entry value")


def plot(
    equity: pl.DataFrame,
    trades: pl.DataFrame,
    facts: Facts,
    metrics: Mapping[str, float | int],
    *,
    events: pl.DataFrame | None = None,
    charges: pl.DataFrame | None = None,
    title: str | None = None,
    max_points: int = 4_000,
    max_trades: int = 2_000,
    height: int = 900,
) -> Figure:
    """A plotly figure with four panels over one time axis.

    Parameters
    ----------
    equity, trades, facts, metrics, events, charges
        Of a `Result`. Margin calls, recalls, bankruptcy, deposits and withdrawals are marked on the line of equity.
    title : str, optional
        Above the figure; by default the span and the return.
    max_points : int
        Points a line at most (two a stretch of bars); at least 4.
    max_trades : int
        Trades drawn at most; of more, those with the largest profit or loss, and the figure says so.
    height : int
        Pixels.

    Raises
    ------
    ImportError
        Without plotly, which comes with the extra `ml4t-kernel[viz]`.

    Examples
    --------
    >>> result.plot().write_html("equity.html")  # doctest: +SKIP
    """
    if max_points < 4 or max_trades < 0:
        raise ValueError(f"max_points must be at least 4 and max_trades at least 0, not {max_points} and {max_trades}")
    go, subplots = plotly_modules()
    figure = subplots.make_subplots(
        rows=4,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.055,
        row_heights=[0.40, 0.18, 0.18, 0.24],
        subplot_titles=_row_titles(int(metrics["num_trades"]), max_trades),
    )
    times = wall_clock(equity["timestamp"])
    for row, line in _lines(equity):
        figure.add_trace(go.Scatter(**_thinned(times, line, max_points)), row=row, col=1)
    for markers in _marks(equity, events, charges, max_trades):
        figure.add_trace(go.Scatter(**markers), row=1, col=1)
    for markers in _trade_markers(trades.filter(pl.col("status") == "closed"), max_trades):
        figure.add_trace(go.Scatter(**markers), row=4, col=1)
    if not metrics["num_trades"]:
        # the only panel with dates on its axis, which nothing else would draw
        ends = as_x(times.gather([0, len(times) - 1])) if len(times) else []
        figure.add_trace(
            go.Scatter(x=ends, y=[0.0] * len(ends), mode="none", name="time axis", showlegend=False), row=4, col=1
        )
    _show_standstill(figure, equity)
    _lay_out(figure, title or _title(facts, metrics), height, numbered=equity["timestamp"].dtype.is_integer())
    return figure


def plotly_modules() -> tuple[ModuleType, ModuleType]:
    """`plotly.graph_objects` and `plotly.subplots`; ImportError that names the extra."""
    try:
        from plotly import graph_objects, subplots
    except ImportError as error:
        raise ImportError("figures need plotly: pip install 'ml4t-kernel[viz]'") from error
    return graph_objects, subplots


def keep_extremes(values: np.ndarray, max_points: int) -> np.ndarray:
    """Indices of at most max_points values: first, last, and lowest and highest of each of equal stretches.

    values: (T,) float64, NaN allowed. Sorted, without repeats; everything when T <= max_points.
    """
    count = len(values)
    if count <= max_points:
        return np.arange(count)
    stretches = (max_points - 2) // 2
    size = -(-count // stretches)
    padded = np.full(-(-count // size) * size, np.nan)
    padded[:count] = values
    table = padded.reshape(-1, size)
    start = np.arange(len(table)) * size
    low = np.argmin(np.where(np.isnan(table), np.inf, table), axis=1) + start
    high = np.argmax(np.where(np.isnan(table), -np.inf, table), axis=1) + start
    return np.unique(np.concatenate([[0], low, high, [count - 1]]))


def wall_clock(times: pl.Series) -> pl.Series:
    """Timestamps as a clock on the wall of their zone shows them (plotly knows no zones)."""
    return times.dt.replace_time_zone(None) if getattr(times.dtype, "time_zone", None) else times


def as_x(times: pl.Series) -> Any:
    """Numbers or ISO text: the forms of the horizontal axis that every plotly reads alike."""
    return times.to_numpy() if times.dtype.is_integer() else times.cast(pl.String).to_list()


def _lines(equity: pl.DataFrame) -> list[tuple[int, dict[str, Any]]]:
    """(row of the figure, values and style) of every line."""
    value = equity["equity"].to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        gross, net = (
            np.where(value > 0, equity[name].to_numpy() / value, np.nan) for name in ("gross_exposure", "net_exposure")
        )
    peak, depth = equity["high_water_mark"].to_numpy(), equity["drawdown"].to_numpy()
    money, share = "%{y:,.2f}<extra>%{fullData.name}</extra>", "%{y:.2%}<extra>%{fullData.name}</extra>"
    return [
        (1, {"y": peak, "name": "high-water mark", "line": {"color": GREY, "width": 1, "dash": "dot"}, "hover": money}),
        (1, {"y": value, "name": "equity", "line": {"color": BLUE, "width": 1.5}, "hover": money}),
        (2, {"y": depth, "name": "drawdown", "line": {"color": RED, "width": 1}, "fill": "tozeroy", "hover": share}),
        (3, {"y": gross, "name": "gross exposure", "line": {"color": ORANGE, "width": 3}, "hover": share}),
        (3, {"y": net, "name": "net exposure", "line": {"color": GREEN, "width": 1}, "hover": share}),
    ]


def _thinned(times: pl.Series, line: dict[str, Any], max_points: int) -> dict[str, Any]:
    keep = keep_extremes(line["y"], max_points)
    style: dict[str, Any] = {name: line[name] for name in ("name", "line", "fill") if name in line}
    x = as_x(times.gather(pl.Series(keep)))
    return {"x": x, "y": line["y"][keep], "mode": "lines", "hovertemplate": line["hover"], **style}


MARKS: Mapping[str, tuple[str, str, str, int]] = {
    "margin_call": ("margin call", ORANGE, "diamond", 9),
    "recall": ("recall", PURPLE, "square", 8),
    "flow_refused": ("withdrawal refused", GREY, "x", 8),
    "bankrupt": ("bankrupt", RED, "x", 12),
    "deposit": ("deposit", GREEN, "triangle-up", 7),
    "withdrawal": ("withdrawal", GREY, "triangle-down", 7),
}
"""Kind of an event or flow -> its name in the legend, colour, symbol and size."""


def _marks(
    equity: pl.DataFrame, events: pl.DataFrame | None, charges: pl.DataFrame | None, most: int
) -> list[dict[str, Any]]:
    """Events and flows where they lie on the line of equity, a trace a kind; hovering tells what was compared."""
    curve = equity.select("timestamp", "equity")
    found = []
    for kind, (name, colour, symbol, size) in MARKS.items():
        rows = _rows_of(kind, events, charges)
        if rows is None or not rows.height:
            continue
        rows = rows.join(curve, on="timestamp", how="left", maintain_order="left")
        count = f"{name} ({rows.height:,})"
        if rows.height > most:
            rows = rows.gather_every(-(-rows.height // max(1, most)))
        found.append(
            {
                "x": as_x(wall_clock(rows["timestamp"])),
                "y": rows["equity"].to_numpy(),
                "name": count,
                "mode": "markers",
                "marker": {"color": colour, "symbol": symbol, "size": size, "line": {"color": "white", "width": 1}},
                "text": [_mark_text(kind, row) for row in rows.iter_rows(named=True)],
                "hovertemplate": "%{x}<br>%{text}<extra></extra>",
            }
        )
    return found


def _rows_of(kind: str, events: pl.DataFrame | None, charges: pl.DataFrame | None) -> pl.DataFrame | None:
    if kind in ("deposit", "withdrawal"):
        sign = pl.col("amount") if kind == "deposit" else -pl.col("amount")
        return None if charges is None else charges.filter(pl.col("kind").cast(pl.String) == "flow", sign > 0)
    return None if events is None else events.filter(pl.col("kind").cast(pl.String) == kind)


def _mark_text(kind: str, row: Mapping[str, Any]) -> str:
    """What a mark says of itself: the event and the numbers that were compared."""
    said = MARKS[kind][0]
    if kind in ("deposit", "withdrawal"):
        return f"{said} of {money(abs(row['amount']))}"
    value, limit = (money(nan if row[name] is None else row[name]) for name in ("value", "limit"))
    if kind == "margin_call":
        return f"{said}: equity {value}, maintenance {limit}"
    if kind == "recall":
        return f"{said} of {row['symbol']}: {abs(row['quantity'] or 0.0):,g}; {value} short, {limit} to borrow"
    return f"{said} of {value}: equity {limit}" if kind == "flow_refused" else f"{said}: equity {value}"


def _trade_markers(trades: pl.DataFrame, max_trades: int) -> list[dict[str, Any]]:
    """Winners and losers, each at its exit; hovering tells the trade."""
    if trades.height > max_trades:
        trades = trades.top_k(max_trades, by=pl.col("pnl").abs())
    groups = (("winning trade", GREEN, "triangle-up", True), ("other trade", RED, "triangle-down", False))
    markers = []
    for name, colour, symbol, winning in groups:
        shown = trades.filter((pl.col("pnl") > 0) == winning)
        if shown.height:
            markers.append(
                {
                    "x": as_x(wall_clock(shown["exit_time"])),
                    "y": shown["pnl_percent"].to_numpy(),
                    "name": name,
                    "mode": "markers",
                    "marker": {"color": colour, "symbol": symbol, "size": 6, "opacity": 0.7},
                    "text": _trade_texts(shown),
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )
    return markers


def _trade_texts(trades: pl.DataFrame) -> list[str]:
    columns = ("symbol", "direction", "quantity", "entry_price", "exit_price", "pnl", "exit_reason", "entry_time")
    return [
        f"{symbol} {direction} {abs(quantity):,g}, from {entered}<br>"
        f"{entry:,.4f} to {left:,.4f}: {pnl:+,.2f} ({reason})"
        for symbol, direction, quantity, entry, left, pnl, reason, entered in trades.select(columns).iter_rows()
    ]


def _row_titles(count: int, max_trades: int) -> tuple[str, ...]:
    if not count:
        return (*ROWS[:3], "Closed trades: none")
    if count <= max_trades:
        return ROWS
    return (*ROWS[:3], f"{ROWS[3]} (the {max_trades:,} largest of {count:,})")


def _show_standstill(figure: Figure, equity: pl.DataFrame) -> None:
    """An account that never moves: axes as wide as a percent of it, not as rounding."""
    low, high = equity["equity"].min(), equity["equity"].max()
    if low is None or low != high:
        return
    margin = 0.01 * abs(float(low)) or 1.0  # type: ignore[arg-type]
    figure.update_yaxes(range=[float(low) - margin, float(low) + margin], row=1, col=1)  # type: ignore[arg-type]
    figure.update_yaxes(range=[-0.02, 0.0], row=2, col=1)


def _title(facts: Facts, metrics: Mapping[str, float | int]) -> str:
    figures = f"return {percent(metrics['total_return'])}, maximum drawdown {percent(metrics['max_drawdown'])}"
    text = f"{facts.first} to {facts.last}: {figures}"
    return text if facts.bars == facts.panel_bars else f"{text} (stopped after {facts.bars:,} bars)"


def _lay_out(figure: Figure, title: str, height: int, numbered: bool) -> None:
    figure.update_layout(
        title={"text": title, "x": 0.01, "xanchor": "left", "y": 0.985, "yanchor": "top"},
        height=height,
        template="plotly_white",
        hovermode="closest",
        margin={"l": 80, "r": 30, "t": 85, "b": 80},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.06, "yanchor": "top"},
    )
    figure.update_annotations(font_size=13, x=0, xanchor="left", yshift=4)
    figure.update_yaxes(exponentformat="SI", separatethousands=True, row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=3, col=1)
    for row in (2, 3, 4):
        figure.update_yaxes(tickformat=".0%", row=row, col=1)
    if numbered:
        figure.update_xaxes(title_text="bar", row=4, col=1)
