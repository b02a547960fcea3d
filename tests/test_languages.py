"""The languages of XTREME and of the miniature world."""

import pytest

from xstilts_hpc.errors import GridError
from xstilts_hpc.languages import ENGLISH, LANGUAGES, MADE_UP, XTREME, language


def test_xtreme_has_forty_languages_with_codes_of_two_and_three_letters() -> None:
    assert len(XTREME) == 40
    assert {len(LANGUAGES[code].code) for code in XTREME} == {2}
    assert {len(LANGUAGES[code].code3) for code in XTREME} == {3}
    assert len({item.code3 for item in LANGUAGES.values()}) == len(LANGUAGES)


def test_every_language_says_its_name_family_and_script() -> None:
    assert all(item.name and item.family and item.script for item in LANGUAGES.values())
    assert LANGUAGES["sw"].name == "Swahili"
    assert LANGUAGES["sw"].family == "Niger-Congo"


@pytest.mark.parametrize(("code", "code3"), [("zh", "cmn"), ("fa", "pes"), ("sw", "swh"), ("tl", "tgl"), ("ar", "ara")])
def test_tatoeba_names_files_by_its_own_codes(code: str, code3: str) -> None:
    assert language(code).code3 == code3


def test_made_up_languages_are_marked_and_no_part_of_xtreme() -> None:
    assert len(MADE_UP) == 8
    assert all(language(code).made_up for code in MADE_UP)
    assert not set(MADE_UP) & set(XTREME)
    assert ENGLISH in XTREME


def test_only_yoruba_is_missing_from_the_model() -> None:
    assert [code for code in XTREME if not LANGUAGES[code].in_xlmr] == ["yo"]


def test_an_unknown_code_names_the_nearest() -> None:
    with pytest.raises(GridError, match=r"unknown language 'zht'; did you mean 'zh'\?"):
        language("zht")
