"""host.stats: quantiles that were measured, and tables that line up."""

from host.stats import summarize, table


def test_quantiles_are_samples():
    """Nearest rank: the 500th, 990th and 999th of 1,000."""
    samples = list(range(1000, 0, -1))
    assert summarize(samples, "p50", "p99", "p999") == {
        "n": 1000, "min": 1, "p50": 500, "p99": 990, "p999": 999, "max": 1000,
    }  # fmt: skip


def test_few_samples_reach_their_maximum():
    assert summarize([7], "p50", "p99") == {"n": 1, "min": 7, "p50": 7, "p99": 7, "max": 7}
    assert summarize([1, 2], "p50", "p99") == {"n": 2, "min": 1, "p50": 1, "p99": 2, "max": 2}


def test_no_sample_is_no_number():
    assert summarize([], "p99") == {"n": 0, "min": None, "p99": None, "max": None}


def test_a_table_lines_up():
    assert table([["name", "n"], ["a", 1], ["long name", None]]) == "name       n\na          1\nlong name  -"
