"""CVE ids as people write them in changelogs; numbers of bugs, versions and years are none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.packages.cve_ids import find_cve_ids

CERTAIN = [
    # the text, and the ids without "CVE-"
    ("CVE-2020-8616", "2020-8616"),
    ("CVE-2020-8616, 8617", "2020-8616 2020-8617"),
    ("CVE-2020-8616,8617", "2020-8616 2020-8617"),
    ("CVE-2020-8616,8617,8618", "2020-8616 2020-8617 2020-8618"),
    ("CVE-2020-8616, 8617 and 8618", "2020-8616 2020-8617 2020-8618"),
    ("CVE-2020-8616, 8617, and 8618", "2020-8616 2020-8617 2020-8618"),
    ("CVE-2020-8616, 8617: DoS", "2020-8616 2020-8617"),
    ("CVE-2020-8616, 8617.", "2020-8616 2020-8617"),
    ("(CVE-2020-8616, 8617)", "2020-8616 2020-8617"),
    ("CVE-2020-8616,\n    8617", "2020-8616 2020-8617"),
    ("CVE-2020-8616 and\n    8617", "2020-8616 2020-8617"),
    ("CVE-2020-8616; 8617", "2020-8616 2020-8617"),
    ("CVE-2020-8616 & 8617", "2020-8616 2020-8617"),
    ("CVE-2020-8616+8617", "2020-8616 2020-8617"),
    ("CVE-2020-8616|8617", "2020-8616 2020-8617"),
    ("CVE-2014-7185/4650", "2014-7185 2014-4650"),
    ("CVE-2014-7185/CVE-2014-4650", "2014-7185 2014-4650"),
    ("CVE-2014-7185/2014-4650", "2014-7185 2014-4650"),
    ("CVE-2014-7185 / 4650", "2014-7185 2014-4650"),
    ("CVE-2019-1234 and -1235", "2019-1234 2019-1235"),
    ("CVE-2019-1234, -1235, -1236", "2019-1234 2019-1235 2019-1236"),
    ("CVE-2019-1234/-1235", "2019-1234 2019-1235"),
    ("CVE-2019-1234, 2020-1235", "2019-1234 2020-1235"),
    ("CVE-2019-1234, 1235, CVE-2020-1111, 2222", "2019-1234 2019-1235 2020-1111 2020-2222"),
    ("CVE-2019-2001, 2002", "2019-2001 2019-2002"),
    ("CVE-2017-1000001, 1000002", "2017-1000001 2017-1000002"),
    ("CVE-2021-{44224,44790}", "2021-44224 2021-44790"),
    ("CVE-2021-{44224, 44790}", "2021-44224 2021-44790"),
    ("CVE-2021-{44224,\n     44790}", "2021-44224 2021-44790"),
    ("CVE-2021-{44224}", "2021-44224"),
    ("CVE-2021-4422{4,5}", "2021-44224 2021-44225"),
    ("CVE-2021-{44224..44226}", "2021-44224 2021-44225 2021-44226"),
    ("CVE-2021-{44224,44790}, 1234", "2021-44224 2021-44790 2021-1234"),
    ("CVE-{2020-1234,2021-5678}", "2020-1234 2021-5678"),
    ("CVE-2007-435[12]", "2007-4351 2007-4352"),
    ("CVE-2010-406[1-4]", "2010-4061 2010-4062 2010-4063 2010-4064"),
    ("CVE-2007-435[1,2]", "2007-4351 2007-4352"),
    ("CVE 2020-1234", "2020-1234"),
    ("CVE: 2020-1234", "2020-1234"),
    ("CVE#2020-1234", "2020-1234"),
    ("CVE2020-1234", "2020-1234"),
    ("CVE_2020_1234", "2020-1234"),
    ("CVE\n    2020-1234", "2020-1234"),
    ("CVEs 2020-1234 and 2020-1235", "2020-1234 2020-1235"),
    ("CVE IDs: 2020-1234, 2020-1235", "2020-1234 2020-1235"),
    ("CVE-ID 2020-1234", "2020-1234"),
    ("CVE-2020-\n    1234, 1235", "2020-1234 2020-1235"),
    # numbers that are something else
    ("CVE-2020-8616 (Closes: #961937, 961938)", "2020-8616"),
    ("CVE-2020-8616, #961937", "2020-8616"),
    ("CVE-2020-8616, LP: #1875523", "2020-8616"),
    ("CVE-2020-8616, 9.16.3", "2020-8616"),
    ("CVE-2020-8616, 2020.1", "2020-8616"),
    ("CVE-2020-8616, 1.2020", "2020-8616"),
    ("CVE-2020-8616, 1024 bytes at most", "2020-8616"),
    ("CVE-2020-8616, 2048-bit keys", "2020-8616"),
    ("CVE-2020-8616 and 1234 other issues", "2020-8616"),
    ("CVE-2020-8616, 2020-08-12", "2020-8616"),
    ("CVE-2020-8616, 20200812T1234", "2020-8616"),
    ("CVE-2020-8616\n  * 1234 is the new port", "2020-8616"),
    ("CVE-2020-8616, port 8617", "2020-8616"),
    ("d/p/0003-CVE-2024-1234-1.patch", "2024-1234"),
    ("CVE-2024-1234-0001.patch", "2024-1234"),
    ("see the CVE-2020 list", ""),
    ("CVE 2020 was a year", ""),
    ("no CVE, 2020-1234 pages", ""),
    ("can 2004-0001", ""),
    ("SCVE-2024-1234", ""),
    ("2020-1234", ""),
    ("DSA-4689-1, 2020-1234", ""),
    ("", ""),
]
DOUBTFUL = [
    # the text, and the ids that are certain
    ("CVE-2020-8616, 961937", "2020-8616"),  # a bug?
    ("CVE-2020-8616 8617", "2020-8616"),
    ("CVE-2014-7185, 2014", "2014-7185"),  # a year?
    ("CVE-2004-0001, 10000", "2004-0001"),  # no number of 2004 has five digits
    ("CVE-2020-1234[5]", ""),  # a note, or CVE-2020-12345?
    ("CVE-2020-1234[12]", ""),
    ("CVE-2020-XXXX", ""),
    ("CVE-2020-????", ""),
    ("CVE-2020-12xx", ""),
    ("CVE-2020-123", ""),
    ("CVE-2020-123(4|5)", ""),
    ("CVE-2020-{a,b}", ""),
    ("CVE-2020-{1,100000000}", ""),
    ("CVE-2020-{1000..9999}", ""),
    ("CVE-2020-1234567890123", ""),
    ("CVE-2020-1234 to CVE-2020-1240", "2020-1234 2020-1240"),
    ("CVE-2020-1234 - CVE-2020-1240", "2020-1234 2020-1240"),
    ("CVE-2020-1234..CVE-2020-1240", "2020-1234 2020-1240"),
    ("CVE-2010-4061 through 4064", "2010-4061"),
    ("CVE-2017-5753-5715", "2017-5753"),
]


def as_ids(text: str) -> set[str]:
    return {f"CVE-{one}" for one in text.split()}


@pytest.mark.parametrize(("text", "ids"), CERTAIN)
@pytest.mark.parametrize("around", ["{}", "  * SECURITY UPDATE: {}\n    - d/p/x.patch", "[{}]", "fix\n    {}\n"])
def test_what_is_certain_is_found_without_doubt(text: str, ids: str, around: str) -> None:
    found = find_cve_ids(around.replace("{}", text))

    assert (set(found.ids), found.doubtful) == (as_ids(ids), False)


@pytest.mark.parametrize(("text", "ids"), DOUBTFUL)
def test_what_may_mean_something_else_is_no_id_and_leaves_doubt(text: str, ids: str) -> None:
    found = find_cve_ids(f"  * Fix {text}\n")

    assert (set(found.ids), found.doubtful) == (as_ids(ids), True)


NUMBERS = st.integers(1000, 99999).map(str).filter(lambda number: not re.fullmatch("19..|20..", number))


@given(
    st.integers(2014, 2039),
    st.lists(NUMBERS, min_size=1, max_size=6),
    st.sampled_from([",", ", ", "/", " / ", " and ", " & ", ",\n    ", "; ", ", -", " and -"]),
)
def test_a_list_of_one_year_is_found_however_it_is_separated(year: int, numbers: list[str], separator: str) -> None:
    found = find_cve_ids(f"  * Fix CVE-{year}-{separator.join(numbers)} (Closes: #1012345)\n")

    assert found.ids == {f"CVE-{year}-{number}" for number in numbers}


@given(st.text(alphabet="CVEAN-2019,{}[]/.and \n_#:4567", max_size=300))
def test_every_id_is_well_formed_and_its_year_and_number_stand_in_the_text(text: str) -> None:
    for one in find_cve_ids(text).ids:
        found = re.fullmatch(r"CVE-((?:19|20)[0-9]{2})-([0-9]{4,12})", one)
        assert found is not None
        assert found[1] in text


@given(st.text(max_size=200), st.text(max_size=200))
def test_foreign_text_around_an_id_does_not_hide_it(before: str, after: str) -> None:
    assert "CVE-2024-12345" in find_cve_ids(f"{before}\n* CVE-2024-12345\n* {after}").ids


@pytest.mark.parametrize(
    "text",
    [
        "CVE-2020-1234" + ", 1235" * 200_000,
        "CVE-2020-" * 200_000,
        "CVE " * 300_000,
        "CVE-2020-{" * 100_000,
        "CVE-2020-{" + "1234," * 200_000,
        "CVE-2020-1234" + " " * 1_000_000,
        "CVE-2020-1234" + "/" * 1_000_000,
        "CVE-" + "\n" * 1_000_000 + "2020-1234",
        ("CVE-2020-1234" + " " * 39 + ",") * 20_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_megabyte_of_anything_is_read_in_one_pass(text: str) -> None:
    assert len(find_cve_ids(text).ids) <= 3
