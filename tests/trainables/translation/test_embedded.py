"""`translation-small`: real text of packages, divided so that no source is in two parts."""

from __future__ import annotations

import pytest

from trainables.translation.catalogs import messages, names
from trainables.translation.embedded import N_TEST, N_VAL, CatalogTranslation, divided


@pytest.fixture(scope="module")
def task() -> CatalogTranslation:
    return CatalogTranslation()


def test_messages_and_names_are_text_and_never_identical() -> None:
    pairs = [*messages(), *names()]
    assert ("January", "Januar") in pairs
    assert ("Select %s to view", "%s zum Ansehen auswählen") in pairs
    assert len(pairs) > 3000 and sum(len(source.split()) > 5 for source, _ in pairs) > 150
    for source, target in pairs:
        assert source != target and source.strip() and target.strip()
        assert "\n" not in source + target and "\x00" not in source + target
    assert messages() == messages() == sorted(messages())


def test_no_source_is_in_two_parts(task: CatalogTranslation) -> None:
    parts = [{source.casefold() for source, _ in pairs} for pairs in task.texts]
    assert [len(part) for part in parts[1:]] == [N_VAL, N_TEST]
    assert sum(map(len, parts)) == len(set().union(*parts))


def test_a_division_by_hand_keeps_cases_together() -> None:
    one = [("Red", "Rot"), ("red", "rot"), *((f"a{n}", f"b{n}") for n in range(1000))]
    two = [(f"c{n}", f"d{n}") for n in range(1000)]
    texts = divided(one, two)
    assert divided(one, two) == texts and texts.digest == divided(one, two).digest
    assert sorted(pair for part in texts for pair in part) == sorted({*one, *two})
    where = [part for part in texts if ("Red", "Rot") in part]
    assert len(where) == 1 and ("red", "rot") in where[0]
    of_one = sum(source.startswith(("a", "R", "r")) for source, _ in texts.test)
    assert abs(of_one - N_TEST / 2) <= 1
    assert divided(one, two[1:]).digest != texts.digest


def test_tokens_batches_and_listing_hang_on_the_texts_alone(task: CatalogTranslation) -> None:
    again = CatalogTranslation()
    assert again.splits().listing == task.splits().listing
    assert [g.tolist() for g in again.groups()] == [g.tolist() for g in task.groups()]  # type: ignore[attr-defined]
    assert CatalogTranslation(n_tokens=900).splits().listing != task.splits().listing
    for index in (0, 7, len(task.splits().train) - 1):
        pair = task.splits().train[index]
        source, target = task.texts.train[index]
        assert task.tokenizer.decode(pair.source.tolist()) == source
        assert task.tokenizer.decode(pair.target.tolist()) == target
