"""The numbers of epochs across calls of `fit`, callbacks and resumed trainings."""

import pytest

from wk_core.epochs import EpochCounter, EpochNumbers, epoch_counter

pytestmark = pytest.mark.backend_free


def train(numbers, epochs, initial_epoch=0):
    numbers.begin_fit()
    trained = []
    for epoch in range(initial_epoch, epochs):
        numbers.begin(epoch)
        trained.append(numbers.number(epoch))
        numbers.end(epoch)
    return trained


def test_they_go_on_in_the_next_fit_of_any_callback(offline_run):
    run = offline_run()
    assert train(EpochNumbers(run), 2) == [0, 1]
    assert train(EpochNumbers(run, "mine/epoch"), 2) == [2, 3]
    assert train(EpochNumbers(run), 9, initial_epoch=8) == [8]


def test_callbacks_of_one_fit_agree(offline_run):
    run = offline_run()
    train(EpochNumbers(run), 3)
    first, second = EpochNumbers(run), EpochNumbers(run)
    for numbers in (first, second):
        numbers.begin(0)
    for numbers in (first, second):
        assert numbers.number(0) == 3
        numbers.end(0)
    assert epoch_counter(run).next == 4


def test_a_counter_of_its_own(offline_run):
    run = offline_run()
    train(EpochNumbers(run), 3)
    assert train(EpochNumbers(run, counter=EpochCounter()), 2) == [0, 1]
    assert epoch_counter(run).next == 3


def test_an_end_without_a_beginning_leaves_the_shared_count_alone(offline_run):
    run = offline_run()
    train(EpochNumbers(run), 3)
    numbers = EpochNumbers(run)
    numbers.end(0)
    assert epoch_counter(run).next == 3
    assert not numbers.has_begun


def test_a_resumed_training_goes_on_once(offline_run):
    before = EpochNumbers(offline_run())
    train(before, 3)
    state = before.state()

    resumed = EpochNumbers(offline_run(reinit="create_new"))
    resumed.restore(state)
    resumed.resume_at(None)
    assert resumed.is_new(0)
    assert train(resumed, 5, initial_epoch=3) == [3, 4]
    assert train(resumed, 1) == [5]


def test_the_next_number_is_the_present_epochs_until_it_ends(offline_run):
    numbers = EpochNumbers(offline_run())
    numbers.begin(0)
    assert numbers.state() == {"next_epoch": 0}
    numbers.end(0)
    assert numbers.state() == {"next_epoch": 1}
