"""Figures of a sweep: a metric over two parameters, and a line a configuration. Plotly is imported when one is made.

Axes are categories in the order of their values, evenly spaced whatever the values are (`scales`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from facade.results.figure import plotly_modules
from facade.results.metrics import FRACTIONS
from facade.sweeps.result.facts import SweepFacts
from facade.sweeps.result.ranking import column_of, direction_note, direction_of, ranked, rows_of
from facade.sweeps.result.scales import NONE, Scale, clipped, colours, scale_of, tick_format, value_text
from facade.sweeps.rows.columns import ROW
from facade.wording import plural

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

AGGREGATES = ("median", "mean", "max", "min", "count")
GAP = "#D9D9D9"
MOST_TEXTS = 200  # cells that get their value written into them
LINES = (["#B2182B", "#DBA9AE"], "#BDBDBD", ["#A9BBD3", "#2166AC"])
"""Of lines below zero, at zero and above; they have to be seen on white also at zero."""
MOST_LETTERS = 100  # of the names of axes side by side, before they are slanted
CROWD = 4  # lines a value, from which on they are drawn side by side
BAND = 0.06  # of an axis, taken by the lines of a value


def heatmap(
    facts: SweepFacts,
    table: pl.LazyFrame,
    axes: tuple[str, str],
    metric: str = "sharpe",
    *,
    aggregate: str = "median",
    bins: int = 20,
    title: str | None = None,
    height: int = 560,
) -> Figure:
    """A metric over two parameters. A grey cell has no configuration, or none with a number; light ones are better.

    Parameters
    ----------
    facts, table
        Of a `SweepResult`; the rows that are shown.
    axes : pair of str
        Parameters of the grid: x, and y.
    metric : str
        One of `SweepResult.columns`.
    aggregate : str
        What a cell shows of its rows, which differ in the other parameters: "median", "mean", "max", "min" or
        "count". The best of many cells is no plateau: the median tells more of the parameters than the maximum.
    bins : int
        A numeric parameter with more than three times as many values is cut into so many intervals.
    title : str, optional
        Above the figure; by default what is shown and what was aggregated over.
    height : int
        Pixels.

    Raises
    ------
    ValueError
        Unknown parameter, metric or aggregate; an empty result.
    ImportError
        Without plotly, which comes with the extra `ml4t-kernel[viz]`.
    """
    if aggregate not in AGGREGATES:
        raise ValueError(f"aggregate={aggregate!r} is not allowed; it is one of {', '.join(AGGREGATES)}")
    go, _ = plotly_modules()
    _check_parameters(facts, axes)
    x, y = axes
    if x == y:
        raise ValueError(f"x and y are both {x!r}; give two parameters")
    column = column_of(facts, metric)
    rows = table.select(x, y, pl.col(column).cast(pl.Float64)).collect()
    if not rows.height:
        raise ValueError("the result has no rows to draw")
    across, up = (scale_of(rows[name], bins) for name in (x, y))
    values = _cells(across, up, rows[column].to_numpy(), aggregate)
    shown = "" if aggregate == "count" else metric
    others = [name for name in facts.parameters if name not in (x, y)]
    deep = rows.height > int(np.isfinite(_cells(across, up, np.zeros(rows.height), "count")).sum())
    bar = f"{aggregate}<br>{metric}" if shown and deep else shown or "configurations"
    figure = go.Figure(go.Heatmap(**_heat(across, up, values, shown, bar)))
    _lay_out_heatmap(figure, across, up, title or _heat_title(metric, aggregate, others, deep, facts.trials), height)
    return figure


def parallel_coordinates(
    facts: SweepFacts,
    table: pl.LazyFrame,
    metric: str = "sharpe",
    *,
    columns: list[str] | None = None,
    limit: int = 500,
    title: str | None = None,
    height: int = 520,
) -> Figure:
    """A line a configuration through its parameters, coloured by the metric, which is the last axis.

    Where many lines meet in one value of a parameter they are drawn side by side, the best on top of the others.

    facts, table: of a `SweepResult`. columns: parameters and result columns to show; every parameter by default, those
    without a choice left out. limit: lines drawn at most; of more rows, evenly many of each rank, the best and the
    worst among them, and the title says so. Rows without a number for the metric are left out, infinite values drawn
    at the end of the axis.

    Raises
    ------
    ValueError
        Unknown column or metric; no row with a number.
    ImportError
        Without plotly, which comes with the extra `ml4t-kernel[viz]`.
    """
    if limit < 2:
        raise ValueError(f"limit={limit!r} is not allowed; it must be at least 2")
    go, _ = plotly_modules()
    column = column_of(facts, metric)
    count = rows_of(table)
    rows = ranked(table, column, direction_of(metric), count)
    if not rows.height:
        raise ValueError(f"no row has a number for metric={metric!r} ({count:,} rows)")
    names = _chosen(facts, rows, columns)
    drawn = rows
    if rows.height > limit:
        drawn = rows[np.unique(np.linspace(0, rows.height - 1, limit).round().astype(np.int64))]
    drawn = drawn.reverse()  # the best lines last, on top of the others
    whole = rows.sort(ROW)
    values = clipped(drawn[column].cast(pl.Float64).to_numpy())
    dimensions = [_dimension(label, drawn[name], whole[name]) for label, name in names]
    dimensions.append({"label": metric, "values": values, **_axis_format(metric, values)})
    line = {"color": values, "showscale": True, "colorbar": tick_format(metric), **colours(metric, values, LINES)}
    slanted = max(len(one["label"]) for one in dimensions) * (len(dimensions) - 1) > MOST_LETTERS
    style = {
        "labelangle": -12 if slanted else 0,
        "labelside": "top",
        "labelfont": {"size": 12},
        "tickfont": {"size": 11, "color": "black"},
    }
    figure = go.Figure(go.Parcoords(line=line, dimensions=dimensions, **style))
    some = f"{drawn.height:,} of " if drawn.height < rows.height else ""
    text = f"{metric}: {some}{plural(rows.height, 'row')}{', evenly by rank' if some else ''}{direction_note(metric)}"
    _lay_out_lines(figure, title or f"{text}; {plural(facts.trials, 'trial')}", dimensions[0], height)
    return figure


def _lay_out_lines(figure: Figure, title: str, first: dict[str, Any], height: int) -> None:
    """Labels of the first axis stand left of it: the margin has room for the longest."""
    longest = max((len(text) for text in first.get("ticktext", ())), default=0)
    figure.update_layout(
        title={"text": title, "x": 0.01, "xanchor": "left", "y": 0.97, "yanchor": "top"},
        height=height,
        template="plotly_white",
        margin={"l": max(90, 30 + 6 * longest), "r": 60, "t": 120, "b": 40},
    )


def _check_parameters(facts: SweepFacts, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in facts.parameters:
            raise ValueError(
                f"{name!r} is not a parameter of the sweep ({', '.join(facts.parameters) or 'it has none'})"
            )


# Scales --------------------------------------------------------------------------------------------------------------


# Heatmap -------------------------------------------------------------------------------------------------------------


def _cells(across: Scale, up: Scale, values: np.ndarray, aggregate: str) -> np.ndarray:
    """(Y, X) of the rows of each cell that have a number; NaN where there is none."""
    columns = len(across.labels)
    frame = pl.DataFrame({"cell": up.codes.astype(np.int64) * columns + across.codes, "value": values})
    grouped = frame.filter(pl.col("value").is_not_nan()).group_by("cell")
    found = grouped.agg(getattr(pl.col("value"), aggregate)())
    cells = np.full(len(up.labels) * columns, np.nan)
    cells[found["cell"].to_numpy()] = found["value"].cast(pl.Float64).to_numpy()
    return cells.reshape(len(up.labels), columns)


def _heat(across: Scale, up: Scale, values: np.ndarray, metric: str, bar: str) -> dict[str, Any]:
    name = metric or "configurations"
    texts = [[value_text(metric, value) for value in line] for line in values]
    trace: dict[str, Any] = {
        "x": across.labels,
        "y": up.labels,
        "z": clipped(values),
        "customdata": texts,
        "hoverongaps": False,
        "hovertemplate": f"{across.name}: %{{x}}<br>{up.name}: %{{y}}<br>{name}: %{{customdata}}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": bar}, **tick_format(metric)},
    }
    shades = colours(metric, values)
    trace |= {"colorscale": shades["colorscale"], "zmin": shades["cmin"], "zmax": shades["cmax"]}
    if values.size <= MOST_TEXTS and len(across.labels) <= 16:
        trace |= {"text": texts, "texttemplate": "%{text}", "textfont": {"size": 11}}
    return trace


def _heat_title(metric: str, aggregate: str, others: list[str], deep: bool, trials: int) -> str:
    if aggregate == "count":
        return f"configurations a cell; {plural(trials, 'trial')}"
    over = f" over {', '.join(others)}" if others else " of the rows of a cell"
    shown = f"{aggregate + ' ' if deep else ''}{metric}{over if deep else ''}"
    return f"{shown}{direction_note(metric)}; {plural(trials, 'trial')}"


def _lay_out_heatmap(figure: Figure, across: Scale, up: Scale, title: str, height: int) -> None:
    figure.update_layout(
        title={"text": title, "x": 0.01, "xanchor": "left", "y": 0.97, "yanchor": "top"},
        height=height,
        template="plotly_white",
        plot_bgcolor=GAP,
        margin={"l": 90, "r": 30, "t": 70, "b": 80},
    )
    for update, scale in ((figure.update_xaxes, across), (figure.update_yaxes, up)):
        update(
            title_text=scale.title,
            type="category",
            categoryorder="array",
            categoryarray=scale.labels,
            showgrid=False,
            automargin=True,
            ticks="outside",  # not seen, but they keep the labels off the cells
            tickcolor="rgba(0,0,0,0)",
        )


# Colours -------------------------------------------------------------------------------------------------------------


def _axis_format(name: str, numbers: np.ndarray) -> dict[str, Any]:
    """How an axis of many values writes them."""
    if name in FRACTIONS:
        return {"tickformat": ".0%" if float(np.ptp(numbers)) > 0.05 else ".2%"}
    size = float(np.abs(numbers).max())
    return {"tickformat": ".3~s" if size >= 10_000 else ",.0f" if size >= 100 else ".3~g"}


# Parallel coordinates ------------------------------------------------------------------------------------------------


def _chosen(facts: SweepFacts, rows: pl.DataFrame, columns: list[str] | None) -> list[tuple[str, str]]:
    """(label, column of the table) of every axis but the last."""
    if columns is None:
        return [(name, name) for name in facts.parameters if rows[name].n_unique() > 1]
    chosen = []
    for name in columns:
        if name not in facts.parameters and (name not in facts.names or name == "reason"):
            known = ", ".join((*facts.parameters, *facts.names))
            raise ValueError(f"columns: {name!r} is neither a parameter nor a number of the table ({known})")
        chosen.append((name, name if name in facts.parameters else facts.names[name]))
    return chosen


def _dimension(label: str, values: pl.Series, whole: pl.Series) -> dict[str, Any]:
    """An axis: numbers on a line (None below them), anything else by category, in the order of `whole`."""
    if values.dtype.is_numeric():
        numbers = clipped(values.cast(pl.Float64).fill_null(np.nan).to_numpy())
        if not np.isnan(numbers).any():
            return {"label": label, "values": numbers, **(_few_ticks(numbers) or _axis_format(label, numbers))}
        if not np.isnan(numbers).all():
            return {"label": label, **_with_none(numbers)}
    scale = scale_of(values, values.len(), whole)
    positions = np.arange(len(scale.labels), dtype=np.float64)
    return {
        "label": label,
        "tickvals": positions.tolist(),
        "ticktext": scale.labels,
        **_side_by_side(scale.codes.astype(np.float64), positions),
        "range": [-0.2, len(scale.labels) - 0.8],
    }


def _few_ticks(numbers: np.ndarray) -> dict[str, Any]:
    """The values themselves where they are few and far enough apart to be read."""
    ticks = np.unique(numbers)
    if len(ticks) > 12 or (len(ticks) > 1 and np.diff(ticks).min() < (ticks[-1] - ticks[0]) / 24):
        return {}
    texts = [f"{tick:.6g}" for tick in ticks]
    return {"tickvals": ticks.tolist(), "ticktext": texts, **_side_by_side(numbers, ticks)}


def _with_none(numbers: np.ndarray) -> dict[str, Any]:
    known = numbers[~np.isnan(numbers)]
    low, high = float(known.min()), float(known.max())
    below = low - ((high - low) or abs(low) or 1.0) * 0.15
    few = np.unique(known)
    ticks = few if len(few) <= 12 else np.linspace(low, high, 5)
    placed = np.where(np.isnan(numbers), below, numbers)
    return {
        "tickvals": [below, *ticks.tolist()],
        "ticktext": [NONE, *(f"{tick:.4g}" for tick in ticks)],
        "range": [below, high],
        **_side_by_side(placed, np.array([below, *few])),
    }


def _side_by_side(positions: np.ndarray, places: np.ndarray) -> dict[str, Any]:
    """Lines through the same place next to each other in their order, when they are so many that they hide others.

    positions: (n,) place of each line; places: the distinct ones, ascending. Bands are narrower than what is between.
    """
    if len(places) < 2 or len(positions) <= CROWD * len(places):
        return {"values": positions}
    width = min(BAND * (places[-1] - places[0]), 0.6 * np.diff(places).min())
    spread = positions.copy()
    for place in places:
        own = np.flatnonzero(positions == place)
        if len(own) > 1:
            spread[own] += np.linspace(-width / 2, width / 2, len(own))
    return {"values": spread, "range": [places[0] - width / 2, places[-1] + width / 2]}
