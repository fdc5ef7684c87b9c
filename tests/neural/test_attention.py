"""The mask: who shares attention, who has it in full, and what the gradients say."""

from __future__ import annotations

import numpy as np
import pytest

from featurekit.neural.attention import NormGate, SequentialGate, unit_norm
from featurekit.neural.attention import attention_weights as weights_of
from featurekit.neural.training import Plan, commit_steps, one_thread

torch = pytest.importorskip("torch")


def _case(seed=0, d=12):
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(size=d) * 3, dtype=torch.float64)
    selected = torch.tensor(rng.random(d) < 0.4)
    return logits, selected


@pytest.mark.parametrize("seed", range(5))
def test_selected_are_one_and_the_others_a_softmax(seed):
    logits, selected = _case(seed)
    m = weights_of(logits, selected)
    assert (m[selected] == 1).all()
    open_ = ~selected
    expected = np.exp(logits[open_].numpy())
    np.testing.assert_allclose(m[open_].numpy(), expected / expected.sum(), rtol=1e-12)
    shifted = weights_of(logits + 5, selected)
    np.testing.assert_allclose(m.numpy(), shifted.numpy(), rtol=1e-10)


def test_a_selected_logit_far_above_leaves_the_others_alone():
    logits, selected = _case()
    before = weights_of(logits, selected)
    logits[selected] = 1e3
    after = weights_of(logits.float(), selected)
    assert torch.isfinite(after).all()
    assert abs(float(after[~selected].sum()) - 1) < 1e-6
    np.testing.assert_allclose(after.numpy(), before.numpy(), rtol=1e-5)


def test_selected_logits_have_no_gradient():
    logits, selected = _case()
    logits.requires_grad_()
    values = torch.arange(12, dtype=torch.float64)
    (weights_of(logits, selected) * values).sum().backward()
    assert (logits.grad[selected] == 0).all()
    assert (logits.grad[~selected] != 0).all()
    assert abs(float(logits.grad.sum())) < 1e-12


def test_nothing_selected_and_everything():
    logits, _ = _case()
    none = torch.zeros(12, dtype=torch.bool)
    assert abs(float(weights_of(logits, none).sum()) - 1) < 1e-12
    assert (weights_of(logits, ~none) == 1).all()
    assert (unit_norm(weights_of(logits, ~none), ~none) == 1).all()


@pytest.mark.parametrize("spread", [0.0, 3.0, 100.0])
def test_weights_have_the_energy_of_one_column(spread):
    logits, selected = _case()
    m = unit_norm(weights_of(logits * spread, selected), selected)
    assert abs(float(m[~selected].square().sum()) - 1) < 1e-9
    assert (m[selected] == 1).all()


def test_a_gate_chooses_by_the_gradient_and_starts_anew():
    unit = torch.arange(4)
    gate = SequentialGate(unit, 4, 0.05, None, 0.0, torch.Generator().manual_seed(0))
    x = torch.ones(1, 4)
    for _ in range(20):
        (gate.apply(x) * torch.tensor([0.0, -1.0, 3.0, 1.0])).sum().backward()
        gate.step()
    assert np.argsort(-gate.scores()).tolist() == [1, 0, 3, 2]
    assert abs(gate.scores().sum() - 4) < 1e-6
    gate.commit([1])
    assert float(gate.logits.detach().abs().max()) < 1e-3
    assert float(gate.apply(x)[0, 1].detach()) == 1


def test_what_the_network_has_of_the_others_is_penalised_and_halved():
    weight = torch.ones(2, 3, requires_grad=True)
    unit = torch.tensor([0, 1, 1])
    gate = SequentialGate(unit, 2, 0.05, weight, 0.5, torch.Generator().manual_seed(0))
    assert float(gate.penalty().detach()) == 0.25 * 6
    gate.commit([1])
    assert weight.detach().tolist() == [[0.5, 1, 1], [0.5, 1, 1]]
    assert float(gate.penalty().detach()) == 0.25 * 0.5


def test_a_unit_of_several_inputs_has_one_weight():
    unit = torch.tensor([0, 1, 1, 0, 2])
    gate = SequentialGate(unit, 3, 0.05, None, 0.0, torch.Generator().manual_seed(0))
    out = gate.apply(torch.ones(2, 5)).detach()
    assert out[0, 0] == out[0, 3] and out[0, 1] == out[0, 2]


def test_the_penalty_is_of_those_not_chosen():
    weight = torch.tensor([[3.0, 1.0, 0.0], [4.0, 0.0, 2.0]], requires_grad=True)
    gate = NormGate(torch.tensor([0, 1, 1]), 2, weight, 0.5)
    np.testing.assert_allclose(gate.scores(), [5, 5**0.5], rtol=1e-6)
    gate.commit([0])
    penalty = gate.penalty()
    assert abs(float(penalty.detach()) - 0.5 * 5**0.5) < 1e-6
    penalty.backward()
    assert (weight.grad[:, 0] == 0).all() and torch.isfinite(weight.grad).all()


def test_choices_are_made_at_the_ends_of_phases():
    assert commit_steps(1000, 5, 100) == [279, 459, 639, 819, 999]
    plan = Plan.of(1000, 5, 1, 0.1)
    assert plan == Plan(1000, 100, (279, 459, 639, 819, 999), (1, 1, 1, 1, 1))


@pytest.mark.parametrize("n_steps", [1, 3, 40, 1000])
@pytest.mark.parametrize(("k", "s"), [(1, 1), (50, 1), (7, 3), (10, 10), (3, 10)])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_every_phase_has_a_step_and_all_are_chosen(n_steps, k, s, warmup):
    plan = Plan.of(n_steps, k, s, warmup)
    assert sum(plan.sizes) == k and max(plan.sizes) <= s and min(plan.sizes) > 0
    lengths = np.diff([plan.warm - 1, *plan.ends])
    assert lengths.min() >= 1 and np.ptp(lengths) <= 1
    assert plan.ends[-1] == plan.n_steps - 1 and plan.n_steps >= n_steps
    judged = plan.judged()
    assert judged.sizes[-1] == 0 and judged.ends[-1] == judged.n_steps - 1


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    with pytest.raises(ValueError), one_thread():
        assert torch.get_num_threads() == 1
        raise ValueError
    assert torch.get_num_threads() == before
