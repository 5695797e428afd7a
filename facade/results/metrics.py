"""Performance figures of a run, from the streaming statistics that the kernel keeps bar by bar.

`compute` works on any number of accounts at once (a sweep is an array of STATE rows), and gives each row the same bits
whatever its neighbours are. Nothing is read twice: no equity curve, no trades, no orders.

Notation: r_t simple return of bar t, the first against initial cash; n number of returns; P periods a year; E equity.
Money is in account currency, everything else a fraction, never percent. Trades are closed round trips, net of fees.

======================== =================================================================================== ===========
key                      formula                                                                             unit
======================== =================================================================================== ===========
initial_cash             cash before the first bar                                                           currency
final_value              E of the last bar done                                                              currency
total_return             final_value / initial_cash - 1                                                      fraction
cagr                     (final_value / initial_cash) ** (P / n) - 1; -1 when nothing is left                fraction
volatility               std(r, ddof=1) x sqrt(P)                                                            fraction
sharpe                   mean(r) / std(r, ddof=1) x sqrt(P), no risk-free rate (Sharpe 1994)                 ratio
sortino                  mean(r) / sqrt(mean(min(r, 0)^2)) x sqrt(P) (Sortino and Price 1994)                ratio
max_drawdown             max over t of 1 - E_t / max(initial_cash, E_0 .. E_t), positive                     fraction
calmar                   cagr / max_drawdown                                                                 ratio
num_trades               closed round trips                                                                  count
winning_trades           round trips with a pnl above zero                                                   count
win_rate                 winning_trades / num_trades                                                         fraction
gross_profit             sum of the pnl of winning trades                                                    currency
gross_loss               minus the sum of the pnl of all other trades                                        currency
profit_factor            gross_profit / gross_loss                                                           ratio
avg_trade_pnl            (gross_profit - gross_loss) / num_trades                                            currency
realised_pnl             result of closed quantity by average cost, before fees, open positions included     currency
unrealised_pnl           what the open positions have gained since their average cost, at the last marks     currency
total_commission         fees and taxes of all fills                                                         currency
total_slippage           sum of |quantity x (price - price before costs)| of all fills                       currency
total_dividends          dividends received less those paid on shorts                                        currency
num_orders               orders, the refused included                                                        count
num_fills                executions                                                                          count
num_rejected_orders      orders refused before anything was filled                                           count
num_cut_orders           orders that filled in part and lost the rest to a rule of the account               count
avg_turnover             mean over bars of traded notional / E                                               fraction
max_turnover             largest of them                                                                     fraction
avg_open_positions       mean over bars of positions held at the close                                       count
max_open_positions       largest of them                                                                     count
time_in_market           share of bars with a position at the close                                          fraction
ambiguous_bars           bars and assets that do not tell what happened first (the three kinds together)     count
ambiguous_two_sided      levels in range on both sides of the open (clause 3.0)                              count
ambiguous_entry_bar      a level in range on the bar of an entry inside it, not proved (clause 3.2)          count
ambiguous_trail          the close proves a trailing exit that the lagged level did not take (clause 3.1)    count
signal_conflicts         long and short entry of one asset on one bar, neither taken                         count
periods_per_year         P: given, or derived from the timestamps                                            bars
bars                     bars done                                                                           bars
======================== =================================================================================== ===========

Conventions. A ratio with a zero below is inf, -inf or NaN by the sign of what stands above (0 / 0 is NaN); a mean over
nothing (no bar, no trade) is NaN; volatility and sharpe need two returns, else NaN. Returns whose spread is below the
rounding of their sums (relative 1e-13) count as constant: volatility 0.
"""

from typing import Any

import numpy as np

CONSTANT = 1e-13  # sum of squares around the mean, relative to that around zero, below which returns are constant


def compute(state: np.ndarray, initial_cash: Any, periods_per_year: Any) -> dict[str, np.ndarray]:
    """Every metric of (K,) accounts.

    Parameters
    ----------
    state : (K,) STATE
        Final state of each account, with `bar` bars done.
    initial_cash, periods_per_year : float or (K,) float64
        Account currency; bars a year.

    Returns
    -------
    dict of (K,) arrays, in the order of the table of this module.
    """
    shape = (len(state),)
    initial = np.broadcast_to(np.asarray(initial_cash, dtype=np.float64), shape)
    periods = np.broadcast_to(np.asarray(periods_per_year, dtype=np.float64), shape)
    with np.errstate(all="ignore"):
        return {
            "initial_cash": initial,
            **_performance(state, initial, periods),
            **_trades(state),
            **_account(state, initial),
            **_activity(state),
            "periods_per_year": periods,
            "bars": state["bar"].copy(),
        }


def metrics_of(state: np.ndarray, initial_cash: float, periods_per_year: float) -> dict[str, float | int]:
    """The metrics of one account, a (1,) STATE array, as Python numbers."""
    return {name: values[0].item() for name, values in compute(state, initial_cash, periods_per_year).items()}


def _performance(state: np.ndarray, initial: np.ndarray, periods: np.ndarray) -> dict[str, np.ndarray]:
    count, total, squares = state["returns"].astype(np.float64), state["sum1"], state["sum2"]
    final = state["equity"]
    mean = total / count
    around_mean = squares - total * mean
    around_mean = np.where(around_mean <= CONSTANT * squares, 0.0, around_mean)
    deviation = np.where(count > 1, np.sqrt(around_mean / (count - 1.0)), np.nan)
    downside = np.sqrt(state["down2"] / count)
    growth = np.maximum(final, 0.0) / initial
    cagr = np.where(count > 0, growth ** (periods / count) - 1.0, np.nan)
    return {
        "final_value": final.copy(),
        "total_return": final / initial - 1.0,
        "cagr": cagr,
        "volatility": deviation * np.sqrt(periods),
        "sharpe": mean / deviation * np.sqrt(periods),
        "sortino": mean / downside * np.sqrt(periods),
        "max_drawdown": state["drawdown"].copy(),
        "calmar": cagr / state["drawdown"],
    }


def _trades(state: np.ndarray) -> dict[str, np.ndarray]:
    trades, profit, loss = state["trades"], state["gross_profit"], state["gross_loss"]
    return {
        "num_trades": trades.copy(),
        "winning_trades": state["wins"].copy(),
        "win_rate": state["wins"] / trades,
        "gross_profit": profit.copy(),
        "gross_loss": loss.copy(),
        "profit_factor": profit / loss,
        "avg_trade_pnl": (profit - loss) / trades,
    }


def _account(state: np.ndarray, initial: np.ndarray) -> dict[str, np.ndarray]:
    fees, dividends, realised = state["fees"], state["dividends"], state["realised"]
    return {
        "realised_pnl": realised.copy(),
        "unrealised_pnl": state["equity"] - initial - realised - dividends + fees,
        "total_commission": fees.copy(),
        "total_slippage": state["slippage"].copy(),
        "total_dividends": dividends.copy(),
    }


def _activity(state: np.ndarray) -> dict[str, np.ndarray]:
    bars = state["bar"].astype(np.float64)
    kinds = {name: state[name].copy() for name in ("two_sided", "entry_bars", "trails")}
    return {
        "num_orders": state["orders"].copy(),
        "num_fills": state["fills"].copy(),
        "num_rejected_orders": state["rejected"].copy(),
        "num_cut_orders": state["cut"].copy(),
        "avg_turnover": state["sum_turnover"] / bars,
        "max_turnover": state["max_turnover"].copy(),
        "avg_open_positions": state["sum_positions"] / bars,
        "max_open_positions": state["max_positions"].copy(),
        "time_in_market": state["exposed_bars"] / bars,
        "ambiguous_bars": kinds["two_sided"] + kinds["entry_bars"] + kinds["trails"],
        "ambiguous_two_sided": kinds["two_sided"],
        "ambiguous_entry_bar": kinds["entry_bars"],
        "ambiguous_trail": kinds["trails"],
        "signal_conflicts": state["conflicts"].copy(),
    }
