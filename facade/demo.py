"""The demonstration behind `make demo`: a monthly momentum portfolio of five real stocks, with splits and dividends.

Signals are computed from prices adjusted for splits and dividends; orders trade at the raw prices of the day.

    python -m facade.demo
"""

from pathlib import Path

import numpy as np

from facade import Config, Panel, Result, TargetWeights, datasets, load_panel, run_backtest

YEAR, QUARTER = 252, 63
"""Bars the momentum and the volatility look back on."""
INVESTED = 0.98
"""Share of equity in stocks; the rest pays for costs and for opens above the deciding close."""
CONFIG = Config(initial_cash=1_000_000, commission_rate=0.0005, spread=0.0004, slippage_rate=0.0002)


def first_bars_of_months(panel: Panel) -> np.ndarray:
    """(R,) bars on which a new month begins."""
    months = panel.timestamps.dt.month_start().to_numpy()
    return np.flatnonzero(months[1:] != months[:-1]) + 1


def momentum_weights(panel: Panel) -> np.ndarray:
    """(T, A) weights on the first bar of each month, NaN (no rebalance) on all others.

    Stocks that gained over the last year share the equity in inverse proportion to their volatility over the last
    quarter. Everything reads prices up to the deciding bar only.
    """
    close = panel.adjusted("close", dividends=True)
    returns = close[1:] / close[:-1] - 1
    weights = np.full(panel.shape, np.nan)
    for bar in first_bars_of_months(panel):
        if bar < YEAR:
            continue
        gained = close[bar] > close[bar - YEAR]  # False where either is NaN: not listed a year ago
        volatility = np.where(gained, returns[bar - QUARTER : bar].std(axis=0), np.inf)
        share = 1 / volatility
        weights[bar] = INVESTED * share / max(share.sum(), 1e-12)
    return weights


def run_demo(progress: bool = True) -> Result:
    """Load the stocks that come with the package, compute the weights, run."""
    panel = load_panel(datasets.wiki_stocks(), datasets.wiki_actions())
    if progress:
        print(f"Market data   {panel}\n              {', '.join(panel.symbols)}")
        print("Strategy      on the first bar of each month: stocks that gained over a year, by inverse volatility")
        print(f"Configuration {CONFIG}\n")
    return run_backtest(panel, TargetWeights.from_array(momentum_weights(panel)), config=CONFIG, progress=progress)


def main(folder: Path = Path("demo")) -> None:
    """Run, print, and write the figure and the result."""
    result = run_demo()
    print(f"\n{result.summary()}\n")
    folder.mkdir(parents=True, exist_ok=True)
    result.to_parquet(folder / "result")
    figure = folder / "equity.html"
    result.plot().write_html(figure, include_plotlyjs=True)
    print(f"Figure        {figure}  (open it in a browser)")
    print(f'Result        {folder / "result"}/  (Result.from_parquet("{folder / "result"}") reads it back)')


if __name__ == "__main__":
    main()
