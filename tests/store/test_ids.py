from backend.store.ids import IdSource


def test_ids_are_26_characters_and_sort_by_birth() -> None:
    source = IdSource()
    ids = [source.next() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {26}


def test_id_follows_the_newest_even_when_the_clock_went_back() -> None:
    in_ten_thousand_years = "7ZZZZZZZZ0" + "0" * 16
    assert IdSource(newest=in_ten_thousand_years).next() == "7ZZZZZZZZ0" + "0" * 15 + "1"
