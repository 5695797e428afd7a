"""The figure of a walk-forward."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import polars as pl

from facade.plot import BLUE, GREY, ORANGE, _as_x, _plotly, _wall_clock, keep_extremes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from facade.sweeps.walk_forward import WalkForward


def figure_of(found: WalkForward, title: str, max_points: int, height: int) -> Figure:
    """Equity with the starts of the test windows; the metric of the chosen row in and out of sample, by fold."""
    go, subplots = _plotly()
    figure = subplots.make_subplots(
        rows=2,
        cols=1,
        vertical_spacing=0.12,
        row_heights=[0.62, 0.38],
        subplot_titles=("Equity out of sample", f"{found.metric} of the chosen row, fold by fold"),
    )
    equity = found.equity["equity"].to_numpy()
    shown = keep_extremes(equity, max_points)
    x = _as_x(_wall_clock(found.equity["timestamp"]).gather(pl.Series(shown)))
    line = {"color": BLUE, "width": 1.5}
    figure.add_trace(go.Scatter(x=x, y=equity[shown], name="equity", mode="lines", line=line), row=1, col=1)
    for start in _as_x(_wall_clock(found.folds["test_start"])):
        figure.add_vline(x=start, line={"color": GREY, "width": 1, "dash": "dot"}, row=1, col=1)
    labels = [f"{fold}: {start}" for fold, start in found.folds.select("fold", "test_start").iter_rows()]
    for column, name, colour in (("in_sample", "in sample", GREY), ("out_of_sample", "out of sample", ORANGE)):
        heights = [value if value is not None and isfinite(value) else None for value in found.folds[column]]
        figure.add_trace(go.Bar(x=labels, y=heights, name=name, marker_color=colour), row=2, col=1)
    figure.update_layout(
        title={"text": title, "x": 0.01, "xanchor": "left"},
        height=height,
        template="plotly_white",
        margin={"l": 80, "r": 30, "t": 85, "b": 80},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.14, "yanchor": "top"},
    )
    figure.update_annotations(font_size=13, x=0, xanchor="left", yshift=4)
    figure.update_yaxes(exponentformat="SI", separatethousands=True, row=1, col=1)
    return figure
