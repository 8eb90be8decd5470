"""Tokens from logits, by hand."""

import math

import pytest
import torch

from plumbline_torch.choosing import Choice, choose


def chosen(logits, uniform, **choice):
    return int(choose(torch.tensor([logits]), torch.tensor([uniform], dtype=torch.float64), Choice(**choice))[0])


PROBABILITIES = [0.1, 0.4, 0.2, 0.3]
LOGITS = [math.log(p) for p in PROBABILITIES]


@pytest.mark.parametrize(
    ("uniform", "token"), [(0, 0), (0.099, 0), (0.101, 1), (0.499, 1), (0.501, 2), (0.699, 2), (0.701, 3), (0.999999, 3)]
)
def test_shares_are_laid_out_in_the_order_of_the_ids(uniform, token):
    assert chosen(LOGITS, uniform, temperature=1.0) == token


def test_the_lowest_id_wins_ties_at_temperature_0():
    assert chosen([1.0, 3.0, 3.0], 0.9, temperature=0.0) == 1


def test_temperature_sharpens():
    weights = [p**2 for p in PROBABILITIES]
    edge = (weights[0] + weights[1]) / sum(weights)
    assert chosen(LOGITS, edge - 1e-6, temperature=0.5) == 1
    assert chosen(LOGITS, edge + 1e-6, temperature=0.5) == 2


def test_top_k_keeps_ties_of_the_smallest():
    logits = [0.0, 2.0, 1.0, 1.0]
    assert {chosen(logits, u / 100, temperature=1.0, top_k=2) for u in range(100)} == {1, 2, 3}


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    for top_p, kept in [(0.39, {1}), (0.41, {1, 3}), (0.69, {1, 3}), (0.71, {1, 2, 3}), (0.95, {0, 1, 2, 3})]:
        assert {chosen(LOGITS, u / 200, temperature=1.0, top_p=top_p) for u in range(200)} == kept


def test_of_equally_likely_tokens_the_lower_ids_are_in_the_nucleus():
    assert {chosen([1.0, 1.0, 1.0, 1.0], u / 100, temperature=1.0, top_p=0.5) for u in range(100)} == {0, 1}


def test_logits_that_are_not_finite_choose_nothing():
    assert chosen([1.0, math.nan], 0.5, temperature=1.0) == -1
    assert chosen([1.0, math.inf], 0.5, temperature=0.0) == -1
    assert chosen([-math.inf, -math.inf], 0.5, temperature=1.0) == -1
    assert chosen([-math.inf, 1.0], 0.0, temperature=1.0) == 1
