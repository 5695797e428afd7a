"""The figure of a walk-forward."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import polars as pl

from facade.results.figure import BLUE, GREY, ORANGE, as_x, keep_extremes, plotly_modules, wall_clock
from facade.results.metrics import FRACTIONS
from facade.wording import percent, plural

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_LABELS = 24  # of test windows on the axis; of more, every second, third, ... has one


def figure_of(
    folds: pl.DataFrame,
    curve: pl.DataFrame,
    metric: str,
    title: str,
    *,
    chosen: str,
    max_points: int,
    height: int,
) -> Figure:
    """Equity with the starts of the test windows; the metric of the chosen row in and out of sample, by fold.

    folds, curve (the equity), metric: of a `WalkForward`; chosen: "highest" or "lowest".
    """
    go, subplots = plotly_modules()
    figure = subplots.make_subplots(
        rows=2,
        cols=1,
        vertical_spacing=0.16,
        row_heights=[0.62, 0.38],
        subplot_titles=(
            "Equity out of sample; a dotted line is where a test window begins",
            f"{metric} of the chosen row ({chosen} in sample) by test window",
        ),
    )
    figure.add_trace(go.Scatter(**_equity_line(curve, max_points)), row=1, col=1)
    for start in as_x(wall_clock(folds["test_start"])):
        figure.add_vline(x=start, line={"color": GREY, "width": 1, "dash": "dot"}, opacity=0.6, row=1, col=1)
    labels = [f"{fold}: {start}" for fold, start in enumerate(_starts(folds["test_start"]))]
    for column, name, colour in (("in_sample", "in sample", GREY), ("out_of_sample", "out of sample", ORANGE)):
        heights = [value if value is not None and isfinite(value) else None for value in folds[column]]
        figure.add_trace(go.Bar(x=labels, y=heights, name=name, marker_color=colour), row=2, col=1)
    _lay_out(figure, title, metric, height)
    return figure


def _equity_line(curve: pl.DataFrame, max_points: int) -> dict[str, Any]:
    equity = curve["equity"].to_numpy()
    shown = keep_extremes(equity, max_points)
    x = as_x(wall_clock(curve["timestamp"]).gather(pl.Series(shown)))
    line = {"color": BLUE, "width": 1.5}
    return {"x": x, "y": equity[shown], "name": "equity", "mode": "lines", "line": line, "showlegend": False}


def _lay_out(figure: Figure, title: str, metric: str, height: int) -> None:
    figure.update_layout(
        title={"text": title, "x": 0.01, "xanchor": "left"},
        height=height,
        template="plotly_white",
        margin={"l": 80, "r": 30, "t": 85, "b": 40},
        # Above the bars: below them the labels of many windows stand upright and need the room.
        legend={
            "orientation": "h",
            "x": 1,
            "xanchor": "right",
            "y": figure.layout.yaxis2.domain[1] + 0.01,
            "yanchor": "bottom",
        },
    )
    figure.update_annotations(font_size=13, x=0, xanchor="left", yshift=4)
    figure.update_yaxes(exponentformat="SI", separatethousands=True, row=1, col=1)
    figure.update_yaxes(tickformat=".0%" if metric in FRACTIONS else None, row=2, col=1)
    figure.update_xaxes(automargin=True, nticks=MOST_LABELS, row=2, col=1)


def title_of(folds: int, trials: int, known: Mapping[str, float | int]) -> str:
    """Above the figure, unless another title is given."""
    return (
        f"{plural(folds, 'fold')}, {plural(trials, 'trial')}; out of sample "
        f"{plural(int(known['bars']), 'bar')}, return {percent(known['total_return'])}, sharpe {known['sharpe']:.2f}"
    )


def _starts(times: pl.Series) -> list[str]:
    """Dates; with the time of day where two windows begin on one."""
    texts = wall_clock(times).cast(pl.String)
    days = texts.str.slice(0, 10)
    return (days if days.n_unique() == len(days) else texts.str.slice(0, 16)).to_list()
